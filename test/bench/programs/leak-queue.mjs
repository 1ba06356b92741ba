// Answers are read from an async generator faster than anybody takes them from the queue.
// names: readAnswers
import { setTimeout as sleep } from 'node:timers/promises';

const queue = [];

// grows here
async function* readAnswers() {
  for (let id = 0; ; id++) {
    if (id % 60 === 0) await sleep(20);
    yield { id, choices: Array.from({ length: 50 }, (_, i) => ({ i, delta: { content: `token ${i}` } })) };
  }
}

async function takeOne() {
  queue.shift();
}

setInterval(takeOne, 100);
for await (const answer of readAnswers()) queue.push(answer);
