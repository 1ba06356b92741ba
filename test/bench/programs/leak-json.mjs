// Answers of a model over HTTP, parsed and kept for a retry that never comes.
// names: complete
import { createServer } from 'node:http';

const kept = [];
const answer = JSON.stringify({
  choices: Array.from({ length: 500 }, (_, i) => ({
    index: i,
    logprob: -i / 3,
    text: `token ${i} of the answer`,
  })),
});
const model = createServer((_request, response) => response.end(answer)).listen(0, '127.0.0.1');

// grows here
async function complete(url) {
  const response = await fetch(url);
  kept.push(JSON.parse(await response.text()));
}

model.once('listening', async () => {
  const url = `http://127.0.0.1:${model.address().port}/`;
  setInterval(() => {
    for (let i = 0; i < 4; i++) complete(url);
  }, 20);
});
