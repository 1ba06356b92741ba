// A worker thread that indexes documents for search, and keeps all it has ever seen.
// names: indexDocument
import { isMainThread, Worker } from 'node:worker_threads';

const index = new Map();

// grows here
function indexDocument(id) {
  const words = Array.from({ length: 100 }, (_, i) => ({ word: `w${i}`, at: [id, i] }));
  index.set(id, words);
}

if (isMainThread) {
  new Worker(new URL(import.meta.url));
  setInterval(() => {}, 1000);
} else {
  let documents = 0;
  setInterval(() => {
    for (let i = 0; i < 25; i++) indexDocument(documents++);
  }, 20);
}
