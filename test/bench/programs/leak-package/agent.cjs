// A cache from a package, which evicts nothing as no size was given.
// names: put in tiny-cache.cjs of tiny-cache
const { TinyCache } = require('tiny-cache');

const cache = new TinyCache();
let turns = 0;
setInterval(() => {
  for (let i = 0; i < 250; i++) cache.put(`turn ${turns}`, `answer to ${turns++}`);
}, 20);
