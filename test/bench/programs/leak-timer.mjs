// A time limit for each call that is never cleared when the call is done; it holds the call.
// names: callModel
const LIMIT_MS = 3_600_000;

// grows here
function callModel(prompt) {
  const call = {
    prompt,
    messages: Array.from({ length: 30 }, (_, i) => ({ role: 'user', content: `${prompt} ${i}` })),
  };
  setTimeout(() => call.messages.push({ role: 'error', content: 'timeout' }), LIMIT_MS).unref();
  return call.messages.length;
}

let calls = 0;
setInterval(() => {
  for (let i = 0; i < 75; i++) callModel(`prompt ${calls++}`);
}, 20);
