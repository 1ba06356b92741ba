// Steps queued behind an approval that never comes.
// names: enqueueStep
let approve;
let last = new Promise((resolve) => {
  approve = resolve;
});
process.on('SIGUSR2', () => approve());

// grows here
function enqueueStep(step) {
  const state = { step, plan: Array.from({ length: 50 }, (_, i) => ({ i, done: false })) };
  last = last.then(() => state.plan);
}

let steps = 0;
setInterval(() => {
  for (let i = 0; i < 100; i++) enqueueStep(steps++);
}, 20);
