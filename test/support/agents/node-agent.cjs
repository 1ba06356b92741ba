// An ordinary program that knows of no guardian. Arguments: garbage=MB workers=N title=TEXT handler cluster=N http block=KIND.
// Says `ready` and its pid. At SIGWINCH what it holds becomes garbage and it says `dropped`; at SIGUSR2, with `block`,
// it says `blocking` and blocks for 1.6 s.
const { execSync } = require('node:child_process');
const { writeSync } = require('node:fs');
const { Worker } = require('node:worker_threads');
const cluster = require('node:cluster');

const options = Object.fromEntries(
  process.argv.slice(2).map((arg) => [...arg.split('='), 'yes'].slice(0, 2)),
);
const say = (text) => writeSync(1, `${text}\n`);
/** Fills the heap; gives what lets go of it again. */
function fill(megabytes) {
  let all = [];
  for (let i = 0; i < megabytes * 8000; i++) all.push(new Array(14).fill(i));
  return () => {
    all = undefined;
  };
}
const BLOCK_MS = 1600;
const blocks = {
  busy() {
    const end = Date.now() + BLOCK_MS;
    while (Date.now() < end);
  },
  execSync: () => execSync(`sleep ${BLOCK_MS / 1000}`),
  atomics: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCK_MS),
};

if (options.title) process.title = options.title;
if (options.handler) process.on('SIGUSR1', () => say('handled'));
if (options.block)
  process.on('SIGUSR2', () => {
    say('blocking');
    blocks[options.block]();
    say('done');
  });
const drop = fill(Number(options.garbage ?? 0));
const workers = Array.from(
  { length: Number(options.workers ?? 0) },
  () => new Worker(`require('node:worker_threads').parentPort.on('message', (${fill})(30))`, { eval: true }),
);
process.on('SIGWINCH', () => {
  drop();
  for (const worker of workers) worker.postMessage('drop');
  setTimeout(() => say('dropped'), 50);
});
if (options.cluster && cluster.isPrimary) for (let i = 0; i < Number(options.cluster); i++) cluster.fork();
setInterval(() => {}, 1000);

if (options.http)
  require('node:http')
    .createServer((request, response) => {
      if (request.url !== '/slow') response.end('done');
    })
    .listen(0, '127.0.0.1', function () {
      say(`ready ${process.pid} ${this.address().port}`);
    });
else setTimeout(() => say(`ready ${process.pid}`), options.workers ? 600 : 0);
