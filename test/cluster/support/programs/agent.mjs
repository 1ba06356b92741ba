// An agent as many are: it answers, holds memory while it works, keeps some for good when told to, and ends in order at SIGTERM.
//   GET  /                              who it is
//   POST /work?mib=N&seconds=S&over=S   N MiB held while the request is in work, taken step by step
//   POST /later?after=S&…               asks itself to work like that, S seconds from now; answers at once
//   POST /grow?mib=N&rate=MIB_PER_S     N MiB kept for good; answers at once
//   POST /free                          lets go of what was kept
import { request as ask, createServer } from 'node:http';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const MIB = 2 ** 20;
const kept = [];
const port = Number(process.env.PORT ?? 8080);

async function take(into, mib, seconds) {
  const steps = Math.max(1, Math.min(mib, Math.ceil(seconds * 20)));
  const start = Date.now();
  for (let step = 1; step <= steps; step++) {
    into.push(Buffer.alloc(Math.ceil((mib * MIB) / steps), step));
    const ahead = start + (seconds * 1000 * step) / steps - Date.now();
    if (ahead > 0) await sleep(ahead);
    else if (step % 8 === 0) await sleep(0); // goes on answering
  }
}

async function answer(url, route) {
  const number = (name, otherwise) => Number(url.searchParams.get(name) ?? otherwise);
  if (route === 'GET /') return sleep(number('ms', 5));
  if (route === 'POST /work') {
    const held = [];
    const until = Date.now() + number('seconds', 5) * 1000;
    await take(held, number('mib', 1), number('over', 1));
    await sleep(Math.max(0, until - Date.now()));
    return held.length;
  }
  if (route === 'POST /grow') {
    const mib = number('mib', 1);
    void take(kept, mib, mib / number('rate', 20));
    return;
  }
  if (route === 'POST /later') {
    const work = `http://127.0.0.1:${port}/work${url.search}`;
    setTimeout(() => ask(work, { method: 'POST' }).end(), number('after', 1) * 1000);
    return;
  }
  if (route === 'POST /free') return void kept.splice(0);
  throw new Error('no such route');
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://agent');
  answer(url, `${request.method} ${url.pathname}`).then(
    () => response.end(`${hostname()}\n`),
    (error) => response.writeHead(404).end(`${error.message}\n`),
  );
});
server.listen(port);
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
