// A heap of --mib MiB in small objects, dropped (--garbage) or held, in a process that only measures its own event loop. Says `built`
// when it stands; then answers each line `WHAT ID` on its input with the longest time, in ms, for which
// the loop has stood still since the last one; on `collect ID` it collects from inside before (--expose-gc).
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { mib: { type: 'string' }, garbage: { type: 'boolean' } } });
const OBJECT_BYTES = 136; // an array of ten numbers, with its header and where it is held
let kept = [];
for (let bytes = 0; bytes < Number(values.mib) * 2 ** 20; bytes += OBJECT_BYTES)
  kept.push(Array.from({ length: 10 }, () => bytes));
const { length } = kept;
if (values.garbage) kept = [];

let lastMs = performance.now();
let longestMs = 0;
function look() {
  const nowMs = performance.now();
  longestMs = Math.max(longestMs, nowMs - lastMs);
  lastMs = nowMs;
}
setInterval(look, 1);

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line.startsWith('collect')) globalThis.gc();
  look();
  console.log(`${line} took ${longestMs} with ${kept.length}`);
  longestMs = 0;
});
setTimeout(() => console.log(`built ${length}`), 300);
