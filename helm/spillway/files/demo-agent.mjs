// An agent as many are written, cut to what matters here: each request, and each second by itself, leaves something behind.
// It knows nothing of the guardian beside it.
import { createServer } from 'node:http';

const MiB = 2 ** 20;
const kept = [];
const keep = (mebibytes) => kept.push(Buffer.alloc(mebibytes * MiB, 1));

const leak = Number(process.env.LEAK_MIB_PER_SECOND);
// a little apart, so that the replicas do not fill up at the same time
const pace = leak * (0.6 + 0.8 * Math.random());
if (leak > 0) setInterval(keep, 1000, pace).unref();

const server = createServer((request, response) => {
  keep(1);
  request.resume();
  response.end(`keeping ${Math.round(kept.reduce((sum, { length }) => sum + length, 0) / MiB)} MiB\n`);
});
server.listen(8080);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
