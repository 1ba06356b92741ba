// A cache of embeddings by chunk of text, without a bound.
// names: remember
const { setTimeout: sleep } = require('node:timers/promises');

const cache = new Map();

// grows here
function remember(path, vectors) {
  for (const [i, vector] of vectors.entries())
    cache.set(`${path}#${i}`, {
      path,
      vector: vector.map((weight) => weight / 2),
      tokens: [i, vector.length],
    });
}

async function embed(path) {
  await sleep(5);
  return Array.from({ length: 100 }, (_, chunk) =>
    Array.from({ length: 256 }, (_, i) => Math.sin(path.length + chunk + i)),
  );
}

async function readFile(id) {
  const path = `src/file-${id}.ts`;
  remember(path, await embed(path));
}

let files = 0;
setInterval(() => readFile(files++), 25);
