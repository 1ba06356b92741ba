// Each request listens for the end of the process, and never stops listening.
// names: serveRequest
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const shutdown = new EventEmitter().setMaxListeners(0);

// grows here
async function serveRequest(id) {
  await sleep(5);
  const request = { id, rows: Array.from({ length: 5000 }, (_, i) => ({ id, text: `row ${i}` })) };
  shutdown.on('end', () => request.rows.push('aborted'));
}

let requests = 0;
setInterval(() => serveRequest(requests++), 30);
