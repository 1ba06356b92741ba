import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { readProcessUsage } from '../../../src/adapters/pidusage.ts';
import { readStat } from '../../../src/sources/proc-fs.ts';
import { createProcessTree, type ProcessTreeOptions, SamplePace } from '../../../src/sources/processes.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { procFiles, statLine } from '../../support/fake-proc.ts';
import { type Started, start, until } from '../../support/started.ts';

let started: Started | undefined;
let fake: FakeTree | undefined;
afterEach(() => {
  started?.kill();
  fake?.remove();
  fake = undefined;
});

const treeOf = (rootPid: number, more: Partial<ProcessTreeOptions> = {}) =>
  createProcessTree({ procRoot: '/proc', rootPid, readUsage: readProcessUsage, ...more });
const noUsage = async () => new Map();

describe.each(['linux', 'darwin'] as const)('a real tree, listed as on %s', (platform) => {
  it('holds the agent and all it starts, with their memory', async () => {
    started = await start('sh', ['-c', 'sleep 60 & sh -c "sleep 60 & sleep 60" & echo ready; wait'], {
      awaitOutput: true,
    });
    const tree = treeOf(started.pid, { platform });
    await until(async () => (await tree.refresh()).count === 5);
    const sample = await tree.refresh();
    expect(sample.processes.filter(({ name }) => name === 'sleep')).toHaveLength(3);
    expect(sample.rssBytes).toBe(sample.processes.reduce((sum, { rssBytes }) => sum + rssBytes, 0));
    expect(sample.processes.every(({ rssBytes }) => rssBytes > 100_000)).toBe(true);
    expect(sample.cpuCores).not.toBeNull();
    expect(tree.members()).toHaveLength(5);
  });

  it('names the biggest twenty, and counts all', async () => {
    const many = 'for i in $(seq 25); do sleep 60 & done; echo ready; wait';
    started = await start('sh', ['-c', many], { awaitOutput: true });
    const tree = treeOf(started.pid, { platform });
    await until(async () => (await tree.refresh()).count === 26);
    const { processes, pids } = await tree.refresh();
    expect(processes).toHaveLength(20);
    expect(new Set(pids).size).toBe(26);
  });

  it('keeps a process that lost its parent, and is empty at the end', async () => {
    started = await start('sh', ['-c', 'sh -c "sleep 60 & wait" & echo ready; wait; exec sleep 60'], {
      awaitOutput: true,
    });
    const tree = treeOf(started.pid, { platform });
    let names: [number, string][] = [];
    await until(async () => {
      names = (await tree.refresh()).processes.map(({ pid, name }) => [pid, name]);
      return names.length === 3 && names.some(([, name]) => name === 'sleep');
    });
    const middle = names.find(([pid, name]) => pid !== started?.pid && name !== 'sleep')?.[0] ?? 0;
    process.kill(middle, 'SIGKILL');
    await until(async () => (await tree.refresh()).count === 2);
    expect((await tree.refresh()).processes.map(({ name }) => name)).toContain('sleep');
    started.kill();
    await until(async () => (await tree.refresh()).count === 0);
    expect(await tree.refresh()).toMatchObject({ rssBytes: 0, processes: [], cpuCores: 0 });
  });
});

describe('CPU', () => {
  it('is in cores, and unknown before the second look', async () => {
    started = await start(process.execPath, ['-e', 'console.log(1); for (;;);'], { awaitOutput: true });
    const tree = treeOf(started.pid);
    expect(await tree.refresh()).toMatchObject({ cpuCores: null, processes: [{ cpuCores: null }] });
    await sleep(500);
    const { cpuCores } = await tree.refresh();
    expect(cpuCores).toBeGreaterThan(0.05);
    expect(cpuCores).toBeLessThan(1.5);
  });

  it('counts a process that started between two looks from its start, and an older one from its first look', async () => {
    fake = fakeTree(procFiles([{ pid: 1 }]));
    let nowMs = 0;
    const usage = new Map([[1, { rssBytes: 10, cpuMs: 100, ageMs: 1000 }]]);
    const readUsage = async () => usage;
    const tree = treeOf(1, { procRoot: `${fake.root}/proc`, readUsage, now: () => nowMs, sameGroup: true });
    await tree.refresh();
    fake.write(
      procFiles([
        { pid: 2, ppid: 1 },
        { pid: 3, ppid: 1 },
      ]),
    );
    usage
      .set(2, { rssBytes: 20, cpuMs: 500, ageMs: 700 })
      .set(3, { rssBytes: 30, cpuMs: 9000, ageMs: 99_000 });
    nowMs = 1000;
    expect(await tree.refresh()).toMatchObject({
      cpuCores: 0.5,
      processes: [
        { pid: 3, cpuCores: null },
        { pid: 2, cpuCores: 0.5 },
        { pid: 1, cpuCores: 0 },
      ],
    });
  });
});

describe('odd trees', () => {
  it('lists all processes on a kernel without children files', async () => {
    fake = fakeTree(
      procFiles([
        { pid: 1 },
        { pid: 2, ppid: 1 },
        { pid: 3, ppid: 2 },
        { pid: 4 },
        { pid: 5, ppid: 1, state: 'Z' },
      ]),
    );
    for (const pid of [1, 2, 3]) fake.write({ [`proc/${pid}/task/${pid}/stat`]: statLine({ pid }) });
    const tree = treeOf(1, { procRoot: `${fake.root}/proc`, readUsage: noUsage });
    expect((await tree.refresh()).processes.map(({ pid }) => pid)).toEqual([1, 2, 3]);
  });

  it('takes what is in the same cgroup, and below it, when that is the agent’s own', async () => {
    const agent = '0::/../agent\n';
    fake = fakeTree(
      procFiles([
        { pid: 1, cgroup: agent },
        { pid: 2, cgroup: agent },
        { pid: 3, cgroup: '0::/../agent/tools\n' },
        { pid: 4, cgroup: '0::/../agent2\n' },
        { pid: 5, ppid: 1, cgroup: '0::/elsewhere\n' },
      ]),
    );
    const tree = treeOf(1, { procRoot: `${fake.root}/proc`, readUsage: noUsage, sameGroup: true });
    expect((await tree.refresh()).processes.map(({ pid }) => pid)).toEqual([1, 2, 3, 5]);
  });

  it('does not take a pid that is used again for the process it was', async () => {
    fake = fakeTree(procFiles([{ pid: 7, startTime: 10 }]));
    const procRoot = `${fake.root}/proc`;
    expect((await treeOf(7, { procRoot, readUsage: noUsage, startTime: 9 }).refresh()).count).toBe(0);
    const tree = treeOf(7, { procRoot, readUsage: noUsage });
    expect((await tree.refresh()).count).toBe(1);
    fake.write(procFiles([{ pid: 7, startTime: 11 }]));
    expect((await tree.refresh()).count).toBe(0);
  });

  it('falls back to the kernel’s own numbers where there is no usage', async () => {
    const tree = treeOf(process.pid, { readUsage: noUsage });
    const own = readStat('/proc', process.pid);
    await tree.refresh();
    const sample = await tree.refresh();
    expect(own.kind).toBe('value');
    expect(sample.rssBytes).toBeGreaterThan(20e6);
    expect(sample.cpuCores).not.toBeNull();
  });

  it('holds on to nothing of many short-lived children', async () => {
    started = await start(
      'sh',
      ['-c', 'echo; i=0; while [ $i -lt 400 ]; do /bin/true & i=$((i+1)); done; wait; sleep 60'],
      { awaitOutput: true },
    );
    const tree = treeOf(started.pid);
    await until(async () => {
      await tree.refresh();
      return (
        readFileSync(`/proc/${started?.pid}/task/${started?.pid}/children`, 'utf8').split(' ').length === 2 &&
        tree.members().length === 2
      );
    });
    expect((await tree.refresh()).count).toBe(2);
  });
});

it('gives one answer to two calls at once', async () => {
  const tree = treeOf(process.pid);
  const [a, b] = await Promise.all([tree.refresh(), tree.refresh()]);
  expect(a).toBe(b);
});

it('looks again after a second, at 1 % of a core on average, with 200 ms spent ahead', () => {
  const pace = new SamplePace(0);
  expect(pace.intervalMs).toBe(1000);
  pace.spent(150, 0);
  expect(pace.intervalMs).toBe(1000);
  pace.spent(90, 1000); // 200 - 150 + 10 - 90
  expect(pace.intervalMs).toBe(3000);
  for (let atMs = 4000; atMs < 400_000; atMs += pace.intervalMs) pace.spent(29, atMs);
  expect(pace.intervalMs).toBeCloseTo(2900, 0);
});
