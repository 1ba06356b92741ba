import { afterEach, expect, it } from 'vitest';
import { workerOf } from '../../../src/sources/agent-process.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { procFiles } from '../../support/fake-proc.ts';

const MIB = 2 ** 20;
const PRIMARY = { pid: 7, name: 'agent.js', runtime: 'node', restarts: 0 } as const;

let fake: FakeTree | undefined;
afterEach(() => fake?.remove());

/** Which process is asked, look after look, of a primary and workers of so many MiB. */
function asked(looks: Record<number, number>[]): number[] {
  fake = fakeTree(procFiles([{ pid: 7 }, { pid: 8 }, { pid: 9 }, { pid: 10 }]));
  const procRoot = `${fake.root}/proc`;
  let worker: ReturnType<typeof workerOf> = { pid: 7, runtime: 'node' };
  return looks.map((sizes) => {
    const processes = Object.entries({ 7: 40, ...sizes })
      .map(([pid, mib]) => ({ pid: Number(pid), name: 'agent.js', rssBytes: mib * MIB }))
      .sort((a, b) => b.rssBytes - a.rssBytes);
    worker = workerOf(procRoot, PRIMARY, processes, worker);
    return worker.pid;
  });
}

it('stays with one of several workers of like size', () => {
  expect(
    asked([
      { 8: 100, 9: 101, 10: 99 },
      { 8: 102, 9: 101, 10: 99 },
      { 8: 100, 9: 99, 10: 103 },
    ]),
  ).toEqual([9, 9, 9]);
});

it('goes to the one that holds much more, and back to the agent where none does', () => {
  expect(
    asked([
      { 8: 100, 9: 101 },
      { 8: 200, 9: 101 },
      { 8: 50, 9: 45 },
    ]),
  ).toEqual([9, 8, 7]);
});
