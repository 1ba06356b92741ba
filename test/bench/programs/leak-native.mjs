// A formatter of dates per user: what it holds lives outside of V8's heap and V8 does not count it.
// names: native memory outside the heap
const formatters = new Map();

function formatterOf(user) {
  if (!formatters.has(user))
    formatters.set(user, new Intl.DateTimeFormat('de-DE', { timeStyle: 'long', timeZone: 'Europe/Berlin' }));
  return formatters.get(user);
}

let users = 0;
setInterval(() => {
  for (let i = 0; i < 12; i++) formatterOf(users++);
}, 20);
