// A time limit for each call that is never cleared when the call is done; it holds the call.
// names: callModel
import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 3_600_000;

// grows here
async function callModel(prompt) {
  const call = {
    prompt,
    messages: Array.from({ length: 4000 }, (_, i) => ({ role: 'user', content: `${prompt} ${i}` })),
  };
  setTimeout(() => call.messages.push({ role: 'error', content: 'timeout' }), LIMIT_MS).unref();
  await sleep(5);
  return call.messages.length;
}

let calls = 0;
setInterval(() => callModel(`prompt ${calls++}`), 25);
