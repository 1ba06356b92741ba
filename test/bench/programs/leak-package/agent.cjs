// A cache from a package, which evicts nothing as no size was given.
// names: put in tiny-cache.cjs of tiny-cache
const { setTimeout: sleep } = require('node:timers/promises');
const { TinyCache } = require('tiny-cache');

const cache = new TinyCache();

async function search(query) {
  await sleep(5);
  const results = Array.from({ length: 2500 }, (_, i) => ({ title: `${query} ${i}`, score: i / 7 }));
  cache.put(query, results);
}

let queries = 0;
setInterval(() => search(`query ${queries++}`), 30);
