// A search tool over HTTP: each request parses a large JSON answer, holds it through two model calls and answers a summary.
// Made for a request every so often that twelve documents are held at a time and a third of the time at most goes into parsing.
// Prints `port N, a request every MS`. SIGTERM ends it well.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const REQUEST_EVERY_MS = 120; // on a machine that is fast enough
const ROWS = 20_000; // 2 MB of JSON, about 5 MB once parsed

const found = (i) => ({
  id: i,
  name: `file-${i}.ts`,
  score: i * 0.37,
  tags: ['a', 'b', `t${i % 7}`],
  at: { line: i, column: i % 80 },
});
const response = JSON.stringify(Array.from({ length: ROWS }, (_, i) => found(i)));

const started = performance.now();
JSON.parse(response);
const everyMs = Math.max(REQUEST_EVERY_MS, Math.ceil(3 * (performance.now() - started)));

const server = createServer(async (_request, answer) => {
  const rows = JSON.parse(response);
  await sleep(7 * everyMs);
  const best = rows.filter(({ score }) => score > 5).slice(0, 10);
  await sleep(5 * everyMs);
  answer.end(JSON.stringify({ best, of: rows.length }));
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}, a request every ${everyMs}`));
process.on('SIGTERM', () => process.exit(0));
