// Work as an agent does it: --live MiB of sessions that are held, and each 20 ms one of them is replaced by what a JSON answer
// said. For --seconds it records how late a timer of 1 ms comes, then prints `lag P50 P99 MAX WORK` (ms, and answers read).
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { live: { type: 'string' }, seconds: { type: 'string' } } });
const ROWS = 2000;
const SESSION_BYTES = 430_000; // the rows once parsed, about
const WARM_MS = 2000;
const answer = JSON.stringify(
  Array.from({ length: ROWS }, (_, i) => ({
    id: i,
    name: `file-${i}.ts`,
    score: i * 0.37,
    tags: ['a', `t${i % 7}`],
  })),
);
const sessions = Array.from({ length: Math.ceil((Number(values.live) * 2 ** 20) / SESSION_BYTES) }, () =>
  JSON.parse(answer),
);
let answers = 0;
setInterval(() => {
  sessions[answers++ % sessions.length] = JSON.parse(answer);
}, 20);

const late = [];
let lastMs;
function look() {
  const nowMs = performance.now();
  if (lastMs !== undefined) late.push(Math.max(0, nowMs - lastMs - 1));
  lastMs = nowMs;
  setTimeout(look, 1);
}
setTimeout(() => {
  answers = 0;
  look();
}, WARM_MS);
setTimeout(
  () => {
    late.sort((a, b) => a - b);
    const at = (share) => late[Math.ceil(share * late.length) - 1].toFixed(2);
    console.log(`lag ${at(0.5)} ${at(0.99)} ${at(1)} ${answers}`);
    process.exit();
  },
  WARM_MS + Number(values.seconds) * 1000,
);
