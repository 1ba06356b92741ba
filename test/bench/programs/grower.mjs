// Takes memory up to a resting size, waits for a line on standard input, then grows until it is killed.
// Arguments: resting size in bytes, bytes per second (0: as fast as it can).
const [restBytes, bytesPerSecond] = process.argv.slice(2).map(Number);
const CHUNK = 1 << 20;
const held = [];
const grow = () => held.push(Buffer.allocUnsafeSlow(CHUNK).fill(1));

while (held.length * CHUNK < restBytes) grow();
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
