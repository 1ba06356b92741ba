// A trace of spans that is never written out.
// names: recordTokens
import { setTimeout as sleep } from 'node:timers/promises';

const spans = [];

// grows here
function recordTokens(turn, count) {
  for (let token = 0; token < count; token++)
    spans.push({ name: 'token', turn, at: performance.now(), attributes: { token, model: 'small' } });
}

async function takeTurn(turn) {
  await sleep(5);
  recordTokens(turn, 3000);
}

let turns = 0;
setInterval(() => takeTurn(turns++), 25);
