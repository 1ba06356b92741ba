// An agent that leaks in the way its first argument names, up to the megabytes of the second (the third is the
// path of a package that leaks), then says `grown` and waits.
// It begins 300 ms after it said `ready`, so that somebody can look at it before.
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker } from 'node:worker_threads';

const [, , kind = 'array', megabytes = '40', packagePath] = process.argv;
const BYTES = Number(megabytes) * 2 ** 20;
const kept = [];

const RESPONSE = JSON.stringify({
  choices: Array.from({ length: 200 }, (_, i) => ({ index: i, text: `token ${i} of the answer` })),
});

function closureLeak() {
  const context = Array.from({ length: 500 }, (_, i) => ({ i }));
  kept.push(() => context.length);
}

const cache = new Map();
function mapLeak() {
  for (let i = 0; i < 200; i++) cache.set(`request ${cache.size}`, { at: i, path: [i] });
}

const bus = new EventEmitter().setMaxListeners(0);
function listenerLeak() {
  for (let i = 0; i < 100; i++) {
    const request = { id: i, headers: new Array(10).fill(i) };
    bus.on('done', () => request.id);
  }
}

function arrayLeak() {
  for (let i = 0; i < 500; i++) kept.push([i, i + 1, i + 2]);
}

function bufferLeak() {
  kept.push(Buffer.alloc(64 * 1024, 1));
}

let transcript = '';
function stringLeak() {
  for (let i = 0; i < 500; i++) transcript += `turn ${i}: `;
  kept.push(transcript);
}

function timerLeak() {
  for (let i = 0; i < 100; i++) {
    const state = { i, words: new Array(8).fill(i) };
    setTimeout(() => state.i, 3_600_000).unref();
  }
}

const gate = new Promise(() => {});
kept.push(gate);
let chain = gate;
function promiseLeak() {
  for (let i = 0; i < 200; i++) chain = chain.then((value) => [value, i]);
}

async function fetchStep(i) {
  await null;
  const answer = { i, tokens: Array.from({ length: 300 }, (_, n) => ({ n })) };
  return answer;
}
async function asyncLeak() {
  const answer = await fetchStep(kept.length);
  kept.push({ answer });
}

function parseLeak() {
  kept.push(JSON.parse(RESPONSE));
}

const remember = packagePath ? createRequire(import.meta.url)(packagePath).remember : undefined;
function packageLeak() {
  remember(kept.length);
  kept.push(0);
}

class Turn {
  constructor(index) {
    this.index = index;
    this.words = new Array(20).fill(index);
  }
}
class Conversation {
  turns = [];
  addTurns() {
    for (let i = 0; i < 100; i++) this.turns.push(new Turn(i));
  }
}
const conversation = new Conversation();

const LEAKS = {
  closure: closureLeak,
  map: mapLeak,
  listener: listenerLeak,
  array: arrayLeak,
  buffer: bufferLeak,
  string: stringLeak,
  timer: timerLeak,
  promise: promiseLeak,
  async: asyncLeak,
  parse: parseLeak,
  package: packageLeak,
  class: () => conversation.addTurns(),
  worker: arrayLeak,
};

/** Grows step by step, giving way to the event loop as a server would. */
async function grow(leak) {
  const held = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const start = held();
  while (held() - start < BYTES) {
    for (let i = 0; i < 20; i++) await leak();
    await sleep(1);
  }
}

if (isMainThread && kind === 'worker') {
  console.log('ready');
  new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
} else {
  if (isMainThread) console.log('ready');
  await sleep(300);
  await grow(LEAKS[kind]);
  console.log('grown');
  setInterval(() => kept.length, 1000);
}
