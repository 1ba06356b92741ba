// A cache of weak references whose registry holds on to what it should only watch.
// names: track
import { setTimeout as sleep } from 'node:timers/promises';

const cache = new Map();
const registry = new FinalizationRegistry(({ id }) => cache.delete(id));

// grows here
function track(id) {
  const document = {
    id,
    pages: Array.from({ length: 3000 }, (_, i) => ({ id, i, text: `page ${i} of ${id}` })),
  };
  cache.set(id, new WeakRef(document));
  registry.register(document, { id, document }); // the id alone would have done
}

async function open(id) {
  await sleep(5);
  track(id);
}

let documents = 0;
setInterval(() => open(documents++), 30);
