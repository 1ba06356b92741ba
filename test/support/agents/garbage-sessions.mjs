// Sessions of an agent: each reads some files, thinks about what they say for a while and is forgotten. Little lives at any
// time, but it lives long enough to be garbage in V8's old space. Works for --seconds, prints `done N`, ends well.
// Meant for --max-old-space-size far above the container: V8 then sees no reason to collect before the kernel kills.
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '40' }, // MB/s, about
    think: { type: 'string', default: '1500' }, // ms that a session lives
  },
});
const FILES = 200;
const LINES = 60;
const LINE_BYTES = 60; // an object of two numbers, one of them boxed, about
const sessions = new Map();
const startedMs = performance.now();
const seconds = () => (performance.now() - startedMs) / 1000;
let count = 0;

function readFiles(id) {
  return Array.from({ length: FILES }, (_, file) => ({
    role: 'tool',
    id: `${id}-${file}`,
    content: Array.from({ length: LINES }, (_, line) => ({ line, score: line * file + 0.5 })),
  }));
}

function startSession() {
  const id = count++;
  sessions.set(id, readFiles(id));
  setTimeout(() => sessions.delete(id), Number(values.think));
}

setInterval(() => {
  if (seconds() > Number(values.seconds)) {
    console.log(`done ${count}`);
    process.exit(0);
  }
  const due = (seconds() * Number(values.rate) * 1e6) / (FILES * LINES * LINE_BYTES);
  while (count < due) startSession();
}, 10);
