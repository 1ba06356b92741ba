// Steps queued behind an approval that never comes.
// names: enqueueStep
import { setTimeout as sleep } from 'node:timers/promises';

let approve;
let last = new Promise((resolve) => {
  approve = resolve;
});
process.on('SIGUSR2', () => approve());

// grows here
function enqueueStep(step) {
  const state = { step, plan: Array.from({ length: 5000 }, (_, i) => ({ i, done: false, after: [i - 1] })) };
  last = last.then(() => state.plan);
}

async function takeTurn(turn) {
  await sleep(5);
  enqueueStep(turn);
}

let turns = 0;
setInterval(() => takeTurn(turns++), 30);
