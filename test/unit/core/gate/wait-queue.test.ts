import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { WaitQueue } from '../../../../src/core/pressure/gate/wait-queue.ts';

const entryOf = (name: string, depth = 0) => ({
  name,
  bytes: 1,
  untilMs: 0,
  criticalUntilMs: 0,
  left: false,
  depth,
});

it('keeps nothing of those that have left behind one that waits', async () => {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  const queue = new WaitQueue<ReturnType<typeof entryOf>>();
  queue.add(entryOf('patient'));
  const left = Array.from({ length: 1000 }, (_, at) => {
    const entry = entryOf(`impatient ${at}`);
    queue.add(entry);
    queue.remove(entry);
    return new WeakRef(entry);
  });
  await new Promise((resolve) => setTimeout(resolve));
  gc();
  expect(left.filter((entry) => entry.deref()).length).toBeLessThan(100);
  expect(queue.head?.name).toBe('patient');
  expect(queue.bytes).toBe(1);
});

it('keeps the order of those that stay where many leave', () => {
  const queue = new WaitQueue<ReturnType<typeof entryOf>>();
  const entries = Array.from({ length: 500 }, (_, at) => entryOf(`${at}`, at % 7 === 0 ? 1 : 0));
  for (const entry of entries) queue.add(entry);
  for (const [at, entry] of entries.entries()) if (at % 5 !== 0) queue.remove(entry);
  const served: string[] = [];
  for (let head = queue.head; head; head = queue.head) {
    served.push(head.name);
    queue.remove(head);
  }
  const stayed = entries.filter((_, at) => at % 5 === 0);
  const byDepth = [
    ...stayed.filter(({ depth }) => depth === 1),
    ...stayed.filter(({ depth }) => depth === 0),
  ];
  expect(served).toEqual(byDepth.map(({ name }) => name));
  expect([queue.count, queue.bytes]).toEqual([0, 0]);
});
