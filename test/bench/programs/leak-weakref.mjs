// A cache of weak references whose registry holds on to what it should only watch.
// names: track
const cache = new Map();
const registry = new FinalizationRegistry(({ id }) => cache.delete(id));

// grows here
function track(id) {
  const document = {
    id,
    pages: Array.from({ length: 60 }, (_, i) => ({ id, i, text: `page ${i} of ${id}` })),
  };
  cache.set(id, new WeakRef(document));
  registry.register(document, { id, document }); // the id alone would have done
}

let documents = 0;
setInterval(() => {
  for (let i = 0; i < 45; i++) track(documents++);
}, 20);
