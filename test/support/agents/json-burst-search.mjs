// A search tool over HTTP: each request parses a large JSON answer, holds it through two model calls and answers a summary.
// Prints `port N`. SIGTERM ends it well.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_CALL_MS = 800;
const SECOND_CALL_MS = 600;
const ROWS = 20_000; // 2 MB of JSON, about 5 MB once parsed

const found = (i) => ({
  id: i,
  name: `file-${i}.ts`,
  score: i * 0.37,
  tags: ['a', 'b', `t${i % 7}`],
  at: { line: i, column: i % 80 },
});
const response = JSON.stringify(Array.from({ length: ROWS }, (_, i) => found(i)));

const server = createServer(async (_request, answer) => {
  const rows = JSON.parse(response);
  await sleep(FIRST_CALL_MS);
  const best = rows.filter(({ score }) => score > 5).slice(0, 10);
  await sleep(SECOND_CALL_MS);
  answer.end(JSON.stringify({ best, of: rows.length }));
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
