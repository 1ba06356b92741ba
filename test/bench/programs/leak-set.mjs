// A crawler that remembers each address it has been to.
// names: visit
import { setTimeout as sleep } from 'node:timers/promises';

const seen = new Set();

// grows here
async function visit(page) {
  await sleep(5);
  for (let link = 0; link < 2500; link++)
    seen.add(`https://example.com/pages/${page}/section/${link}?from=agent`);
}

let pages = 0;
setInterval(() => visit(pages++), 30);
