// Tools made for every turn and never thrown away: each closes over the examples it was made from.
// names: makeTool
import { setTimeout as sleep } from 'node:timers/promises';

const tools = [];

// grows here
function makeTool(turn) {
  const examples = Array.from({ length: 6000 }, (_, i) => ({ turn, i, weight: turn / (i + 1) }));
  return (query) => examples.filter(({ weight }) => weight > query);
}

async function takeTurn(turn) {
  await sleep(5);
  tools.push(makeTool(turn));
}

let turns = 0;
setInterval(() => takeTurn(turns++), 30);
