// Takes memory up to a resting size, waits for a line on standard input, then grows until it is killed.
// Arguments: resting size in bytes, bytes per second (0: as fast as it can), and the usage file of its cgroup where what it
// holds at rest is all that is charged there.
import { readFileSync } from 'node:fs';

const [rest, rate, usageFile] = process.argv.slice(2);
const [restBytes, bytesPerSecond] = [Number(rest), Number(rate)];
const CHUNK = 1 << 20;
const held = [];
const grow = () => held.push(Buffer.allocUnsafeSlow(CHUNK).fill(1));
const heldBytes = () => (usageFile ? Number(readFileSync(usageFile, 'latin1')) : held.length * CHUNK);

while (heldBytes() < restBytes) grow();
process.stdout.write('resting\n');
process.stdin.once('data', () => {
  if (bytesPerSecond === 0) for (;;) grow();
  const startMs = performance.now();
  const restChunks = held.length;
  setInterval(() => {
    const due = restChunks + ((performance.now() - startMs) / 1000) * (bytesPerSecond / CHUNK);
    while (held.length < due) grow();
  }, 2);
});
