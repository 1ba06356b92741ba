// Allocates memory that nothing can drop: --start MiB at once, then --rate MB/s, up to --stop MiB if given; then it holds.
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    start: { type: 'string', default: '0' },
    rate: { type: 'string', default: '0' },
    stop: { type: 'string', default: 'Infinity' },
    // tells one agent from others in the list of processes
    name: { type: 'string' },
  },
});
const MIB = 2 ** 20;
const stopBytes = Number(values.stop) * MIB;
const kept = [];
let bytes = 0;

function keep(size) {
  if (size <= 0) return;
  kept.push(Buffer.alloc(size, 1));
  bytes += size;
}

for (let left = Number(values.start); left > 0; left--) keep(MIB);
const startedMs = performance.now();
const before = bytes;
setInterval(() => {
  const dueBytes = before + ((performance.now() - startedMs) / 1000) * Number(values.rate) * 1e6;
  keep(Math.floor(Math.min(dueBytes, stopBytes) - bytes));
}, 10);
process.stdout.write('up\n');
