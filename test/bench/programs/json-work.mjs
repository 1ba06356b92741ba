// Work that is JSON: parses, changes and writes a document of 300 KB, and keeps some of what it has read. Each line `ID MS PROFILE` on its input
// is answered, after so many ms of work, with `ID did N in MS`; PROFILE is `none`, or how many bytes lie between two samples of
// a heap profile that it takes of itself meanwhile.
import { Session } from 'node:inspector/promises';
import { createInterface } from 'node:readline';

const ROWS = 3000;
const KEPT = 20;
const BATCH_MS = 20;
const text = JSON.stringify(
  Array.from({ length: ROWS }, (_, i) => ({
    id: i,
    name: `file-${i}.ts`,
    score: i * 0.37,
    tags: ['a', `t${i % 7}`],
  })),
);
const kept = new Array(KEPT);
const session = new Session();
session.connect();

function readDocument(i) {
  const rows = JSON.parse(text);
  for (const row of rows) row.tags.push(`seen-${i}`);
  kept[i % KEPT] = rows;
  return JSON.stringify(rows).length;
}

async function work(ms) {
  const startMs = performance.now();
  let count = 0;
  while (performance.now() < startMs + ms) {
    const pauseMs = performance.now() + BATCH_MS;
    while (performance.now() < pauseMs) readDocument(count++);
    await new Promise(setImmediate);
  }
  return `${count} in ${performance.now() - startMs}`;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [id, ms, profile] = line.split(' ');
  if (profile !== 'none')
    await session.post('HeapProfiler.startSampling', { samplingInterval: Number(profile) });
  const done = await work(Number(ms));
  if (profile !== 'none') await session.post('HeapProfiler.stopSampling');
  console.log(`${id} did ${done}`);
}
