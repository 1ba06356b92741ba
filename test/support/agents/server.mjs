// An HTTP server that holds --start MiB of Buffers and takes --rate MB/s more, up to --stop MB. `/slow` is answered
// after --slow ms. With --handler, SIGTERM ends it in order: what is in work is answered first. Prints `port N`.
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    start: { type: 'string', default: '0' },
    rate: { type: 'string', default: '0' },
    stop: { type: 'string', default: 'Infinity' },
    slow: { type: 'string', default: '800' },
    handler: { type: 'boolean', default: false },
  },
});
const MIB = 2 ** 20;
const kept = [];
for (let left = Number(values.start); left > 0; left--) kept.push(Buffer.alloc(MIB, 1));
const startedMs = performance.now();
let grown = 0;
setInterval(() => {
  const seconds = (performance.now() - startedMs) / 1000;
  const due = Math.min(seconds * Number(values.rate), Number(values.stop)) * 1e6;
  for (; grown + MIB <= due; grown += MIB) kept.push(Buffer.alloc(MIB, 1));
}, 20);

const server = createServer((request, answer) => {
  if (request.url !== '/slow') answer.end('done');
  else setTimeout(() => answer.end('done'), Number(values.slow));
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
if (values.handler)
  process.on('SIGTERM', () => {
    console.log('ending');
    server.close(() => process.exit(0));
  });
