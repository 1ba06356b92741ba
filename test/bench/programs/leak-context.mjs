// Turns that wait for an approval that never comes, each with its context in an AsyncLocalStorage.
// names: startTurn
import { AsyncLocalStorage } from 'node:async_hooks';

const context = new AsyncLocalStorage();
const waiting = [];

// grows here
function startTurn(id) {
  const turn = {
    id,
    facts: Array.from({ length: 3000 }, (_, i) => ({ fact: `fact ${i} of ${id}`, score: i / 7 })),
  };
  context.run(turn, () => waiting.push(approval()));
}

async function approval() {
  await new Promise((resolve) => waiting.push(resolve));
  return context.getStore();
}

let turns = 0;
setInterval(() => startTurn(turns++), 30);
