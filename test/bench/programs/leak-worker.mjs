// A worker thread that indexes documents for search, and keeps all it has ever seen.
// names: indexDocument
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const index = new Map();

// grows here
function indexDocument(id) {
  const words = Array.from({ length: 3000 }, (_, i) => ({ word: `w${i}`, at: [id, i] }));
  index.set(id, words);
}

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  let documents = 0;
  setInterval(() => worker.postMessage(documents++), 25);
} else {
  parentPort.on('message', indexDocument);
}
