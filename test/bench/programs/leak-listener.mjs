// Each request listens for the end of the process, and never stops listening.
// names: serveRequest
import { EventEmitter } from 'node:events';

const shutdown = new EventEmitter().setMaxListeners(0);

// grows here
function serveRequest(id) {
  const request = {
    id,
    headers: Array.from({ length: 40 }, (_, i) => `x-${i}: ${id}`),
    body: Array(100).fill(id),
  };
  shutdown.on('end', () => request.body.push('aborted'));
  return request.headers.length;
}

let requests = 0;
setInterval(() => {
  for (let i = 0; i < 70; i++) serveRequest(requests++);
}, 20);
