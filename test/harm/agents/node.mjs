// An agent in JavaScript that does what its plan says; all sizes in MiB, times in seconds:
//   buffers, heap   held from the start, in Buffers and in objects
//   grow            { after, by, over, keep? }: more Buffers, read within `over`; dropped at its end unless kept
//   busy            garbage and some work all the time
//   log             'objects' | 'strings': 50 a second
//   listen          'http' | 'unix'; `/stream` never ends
//   on              { SIGNAL: 'exit' | 'note' }
//   workers         { threads | cluster: N }: the rest of the plan is theirs
//   profile         samples its own heap
//   files, tmpfs    reads a file of this size over and over; holds one in memory
//   tool            a child that takes this much for a second, again and again
//   browser         Chromium below it
import { spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { heard, tick, up } from './tick.mjs';

const MIB = 2 ** 20;
const plan = isMainThread ? JSON.parse(process.argv[2]) : workerData;
const kept = [];
globalThis.kept = kept;
tick(isMainThread ? 'main' : 'worker');

for (const [signal, does] of Object.entries(plan.on ?? {}))
  process.on(signal, () => {
    heard(signal);
    if (does === 'exit') process.exit();
  });

const { workers = {}, ...rest } = plan;
if (workers.cluster && cluster.isPrimary) {
  for (let i = 0; i < workers.cluster; i++) cluster.fork();
} else if (workers.threads && isMainThread) {
  for (let i = 0; i < workers.threads; i++) new Worker(new URL(import.meta.url), { workerData: rest });
} else await live();
if (isMainThread) up();

async function live() {
  if (plan.profile) await sampleHeap();
  await hold(plan.buffers ?? 0);
  for (let i = 0; i < (plan.heap ?? 0); i++) {
    kept.push(
      Array.from({ length: 1024 }, () => ({ role: 'user', text: Buffer.alloc(970, 120).toString('latin1') })),
    );
    if (i % 8 === 0) await sleep(1);
  }
  if (plan.listen) await listen(plan.listen);
  if (plan.busy) setInterval(work, 100);
  if (plan.log) setInterval(log, 20);
  if (plan.tmpfs) holdFile('/dev/shm', plan.tmpfs);
  if (plan.files) readFiles(plan.files);
  if (plan.tool) runTool();
  if (plan.browser) browse();
  if (plan.grow) grow(plan.grow);
  setInterval(() => {}, 60_000);
}

async function hold(mib, overMs = 0) {
  for (let i = 0; i < mib; i++) {
    kept.push(Buffer.alloc(MIB, 1));
    if (overMs || i % 16 === 0) await sleep(overMs / mib);
  }
}

async function grow({ after, by, over, keep = false }) {
  await sleep(after * 1000);
  const before = kept.length;
  const start = performance.now();
  for (let i = 0; i < by; i++) {
    kept.push(Buffer.alloc(MIB, 1));
    await sleep(Math.max(0, start + (over * 1000 * i) / by - performance.now()));
  }
  if (!keep) kept.length = before;
}

function work() {
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ i, text: `row ${i}` }));
  JSON.parse(JSON.stringify(rows.slice(0, 2000)));
}

let conversation;
function log() {
  conversation = Array.from({ length: 1000 }, (_, i) => ({ role: 'user', content: `${i}`.repeat(20) }));
  console.log('request', plan.log === 'strings' ? JSON.stringify(conversation) : conversation);
}

async function sampleHeap() {
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.startSampling', { samplingInterval: 32_768 });
  globalThis.session = session;
}

async function listen(how) {
  const server = createServer((request, response) => {
    if (request.url !== '/stream') return void response.end('well');
    const timer = setInterval(() => response.write('token '), 200);
    response.once('close', () => clearInterval(timer));
  });
  await new Promise((resolve) =>
    how === 'unix'
      ? server.listen(join(process.env.HARM_FOLDER, 'socket'), resolve)
      : server.listen(8080, '127.0.0.1', resolve),
  );
}

function holdFile(folder, mib) {
  const path = join(folder, `harm-${process.pid}`);
  const file = openSync(path, 'w+');
  unlinkSync(path);
  for (let i = 0; i < mib; i++) writeSync(file, Buffer.alloc(MIB, 1));
  return file;
}

async function readFiles(mib) {
  const file = holdFile(process.env.HARM_FOLDER, mib);
  const chunk = Buffer.alloc(MIB);
  for (let i = 0; ; i = (i + 1) % mib) {
    readSync(file, chunk, 0, MIB, i * MIB);
    await sleep(2);
  }
}

function runTool() {
  const body = `const kept = Buffer.alloc(${plan.tool} << 20, 1); setTimeout(() => process.exit(), 1000)`;
  spawn(process.execPath, ['-e', body], { stdio: 'ignore' }).once('exit', () => setTimeout(runTool, 2000));
}

function browse() {
  const profile = join(process.env.HARM_FOLDER, 'profile');
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    `--user-data-dir=${profile}`,
  ];
  spawn('chromium', [...flags, 'data:text/html,<h1>page</h1>'], { stdio: 'ignore' });
}
