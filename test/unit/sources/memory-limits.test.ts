import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ratioOf } from '../../../src/core/model/reading.ts';
import { describeUse } from '../../../src/core/pressure/describe.ts';
import { AgentMemory, type AgentMemoryOptions } from '../../../src/sources/memory.ts';
import { type FakeTree, fakeTree, v1Group, v2Group } from '../../support/fake-cgroup.ts';

const MiB = 2 ** 20;
const SWAPS = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';
let tree: FakeTree;
let memory: AgentMemory | undefined;

/** An agent, pid 7, in `/pod/agent` of a v2 hierarchy; the guardian in `/pod/guardian`. */
beforeEach(() => {
  tree = fakeTree({
    'proc/7/cgroup': '0::/pod/agent\n',
    'proc/self/cgroup': '0::/pod/guardian\n',
    'proc/self/mountinfo': '30 23 0:26 / $ROOT/cg rw - cgroup2 cgroup2 rw\n',
    'proc/7/mountinfo': '',
    'cg/cgroup.procs': '',
    ...v2Group('cg/pod/agent', { current: 90 * MiB, max: 100 * MiB }),
  });
});
afterEach(() => {
  memory?.close();
  memory = undefined;
  tree.remove();
});

function open(options: Partial<AgentMemoryOptions> = {}): AgentMemory {
  const rss: AgentMemoryOptions['rss'] = {
    read(into) {
      into.usedBytes = 80 * MiB;
      into.reclaimableBytes = 30 * MiB;
    },
  };
  const machine = { machineBytes: 8192 * MiB, privateGroup: false };
  memory = new AgentMemory({ procRoot: `${tree.root}/proc`, pid: 7, rss, ...machine, ...options });
  return memory;
}

/** Swap of the machine, and of groups below `cg/`: their use and their limit. */
function swap(freeMiB: number, groups: Record<string, [usedMiB: number, max: number | 'max']>): void {
  tree.write({
    'proc/swaps': `${SWAPS}/dev/vda2                               partition\t${(freeMiB + 10) * 1024}\t\t${10 * 1024}\t\t-2\n`,
    'proc/sys/vm/swappiness': '60\n',
  });
  for (const [group, [used, max]] of Object.entries(groups))
    tree.write({
      [`cg/${group}/memory.swap.current`]: `${used * MiB}\n`,
      [`cg/${group}/memory.swap.max`]: `${max === 'max' ? max : max * MiB}\n`,
    });
}

describe('memory.high', () => {
  it('is the limit where it is the nearer one, and is named', () => {
    tree.write({ 'cg/pod/agent/memory.high': `${95 * MiB}\n` });
    const reading = open().read(0);
    expect(reading).toMatchObject({
      limitBytes: 95 * MiB,
      limitSource: 'cgroup-v2',
      limitName: 'memory.high',
    });
    for (const part of ['95 %', 'memory.high', '90.0 MiB', '95.0 MiB'])
      expect(describeUse(reading)).toContain(part);
    tree.write({ 'cg/pod/agent/memory.high': 'max\n' });
    expect(memory?.read(999)).toMatchObject({ limitBytes: 100 * MiB, limitName: undefined });
  });

  it('is the limit where there is no other, an ancestor’s too', () => {
    tree.write({ 'cg/pod/agent/memory.max': 'max\n', 'cg/pod/agent/memory.high': `${120 * MiB}\n` });
    expect(open().read(0)).toMatchObject({ limitBytes: 120 * MiB, limitSource: 'cgroup-v2' });
    tree.write({ ...v2Group('cg/pod', { current: 150 * MiB }), 'cg/pod/memory.high': `${160 * MiB}\n` });
    expect(open().read(0)).toMatchObject({ limitBytes: 160 * MiB, usedBytes: 150 * MiB });
  });

  it('is said where --limit lies above it', () => {
    tree.write({ 'cg/pod/agent/memory.high': `${95 * MiB}\n` });
    open({ limitBytes: 98 * MiB }).read(0);
    expect(memory?.degraded()).toEqual([
      {
        code: 'limit_above_kernel',
        message: "--limit 98.0 MiB is above the kernel's memory.high of 95.0 MiB: the kernel throttles first",
        hint: 'lower --limit',
      },
    ]);
  });
});

describe('swap', () => {
  it('is room: use and limit are those of memory and swap together', () => {
    swap(1000, { 'pod/agent': [20, 120] });
    const reading = open().read(0);
    expect(reading).toMatchObject({
      usedBytes: 110 * MiB,
      limitBytes: 220 * MiB,
      limitName: 'memory and swap',
    });
    expect(ratioOf(reading)).toBe(0.5);
    expect(memory?.glance()).toBe(110 * MiB);
  });

  it('is at its end when both are full', () => {
    tree.write({ 'cg/pod/agent/memory.current': `${100 * MiB}\n` });
    swap(1000, { 'pod/agent': [120, 120] });
    expect(ratioOf(open().read(0))).toBe(1);
  });

  it.each([
    ['the machine has less', () => swap(30, { 'pod/agent': [20, 'max'] }), 150],
    ['the machine has none', () => swap(0, { 'pod/agent': [0, 'max'] }), 100],
    ['it is closed', () => swap(1000, { 'pod/agent': [0, 0] }), 100],
    [
      'an ancestor has closed it',
      () => {
        swap(1000, { 'pod/agent': [0, 'max'], pod: [0, 0] });
        tree.write(v2Group('cg/pod', { current: 90 * MiB }));
      },
      100,
    ],
    [
      'it is throttled before',
      () => {
        swap(1000, { 'pod/agent': [20, 'max'] });
        tree.write({ 'cg/pod/agent/memory.swap.high': `${50 * MiB}\n` });
      },
      150,
    ],
    [
      'the kernel is set never to swap',
      () => {
        swap(1000, { 'pod/agent': [0, 'max'] });
        tree.write({ 'proc/sys/vm/swappiness': '0\n' });
      },
      100,
    ],
  ])('counts only as far as it can be used: %s', (_, arrange, limitMiB) => {
    arrange();
    expect(open().read(0).limitBytes).toBe(limitMiB * MiB);
  });

  it('of v1 has one limit together with memory', () => {
    tree.write({
      'proc/7/cgroup': '4:memory:/pod/agent\n0::/\n',
      'proc/self/cgroup': '4:memory:/pod/guardian\n0::/\n',
      'proc/self/mountinfo': '35 31 0:32 / $ROOT/cg rw - cgroup cgroup rw,memory\n',
      ...v1Group('cg/pod/agent', { usage: 90 * MiB, limit: String(100 * MiB) }),
      'cg/pod/agent/memory.memsw.usage_in_bytes': `${110 * MiB}\n`,
      'cg/pod/agent/memory.memsw.limit_in_bytes': `${150 * MiB}\n`,
      'cg/pod/agent/memory.swappiness': '60\n',
    });
    swap(1000, {});
    expect(open().read(0)).toMatchObject({ usedBytes: 110 * MiB, limitBytes: 150 * MiB });
    tree.write({ 'cg/pod/agent/memory.memsw.limit_in_bytes': `${100 * MiB}\n` }); // as Kubernetes sets it
    expect(open().read(0)).toMatchObject({
      usedBytes: 90 * MiB,
      limitBytes: 100 * MiB,
      limitName: undefined,
    });
    tree.write({
      'cg/pod/agent/memory.memsw.limit_in_bytes': `${150 * MiB}\n`,
      'cg/pod/agent/memory.swappiness': '0\n',
    });
    expect(open().read(0)).toMatchObject({ usedBytes: 90 * MiB, limitBytes: 100 * MiB });
  });
});

describe('huge pages', () => {
  const use = (mib: number, max: number | 'max' = 64 * MiB) =>
    tree.write({
      'cg/pod/agent/hugetlb.2MB.current': `${mib * MiB}\n`,
      'cg/pod/agent/hugetlb.2MB.max': `${max}\n`,
      'cg/pod/agent/hugetlb.1GB.current': '0\n',
      'cg/pod/agent/hugetlb.1GB.max': 'max\n',
    });

  it('count against their own limit while they grow', () => {
    use(40);
    expect(open().read(0)).toMatchObject({ usedBytes: 90 * MiB, limitBytes: 100 * MiB });
    use(62);
    expect(memory?.read(100)).toMatchObject({
      usedBytes: 62 * MiB,
      limitBytes: 64 * MiB,
      limitName: 'hugetlb.2MB.max',
    });
    use(40);
    expect(memory?.read(200)).toMatchObject({ usedBytes: 90 * MiB });
  });

  it('that are all taken and rest are no pressure: programs take them once', () => {
    use(62);
    open().read(0);
    use(64);
    expect(memory?.read(100)).toMatchObject({ limitName: 'hugetlb.2MB.max' });
    expect(memory?.read(60_200)).toMatchObject({ usedBytes: 90 * MiB, limitBytes: 100 * MiB });
  });
});

describe('statistics', () => {
  const use = (usedMiB: number, cacheMiB: number) =>
    tree.write(
      v2Group('cg/pod/agent', {
        current: usedMiB * MiB,
        max: 100 * MiB,
        stat: { inactive_file: cacheMiB * MiB },
      }),
    );
  const held = (nowMs: number) => ratioOf(memory?.read(nowMs) ?? open().read(nowMs));

  it('of the last 20 ms do where use has hardly moved, and not near the limit', () => {
    use(80, 40);
    expect(held(0)).toBeCloseTo(0.4);
    use(80.5, 20);
    expect(held(5)).toBeCloseTo(0.405); // use is always that of the moment
    expect(held(20)).toBeCloseTo(0.605);
    use(82, 10);
    expect(held(25)).toBeCloseTo(0.72);
    use(96, 40);
    expect(held(30)).toBeCloseTo(0.56);
    use(96, 10);
    expect(held(35)).toBeCloseTo(0.86);
  });
});

describe('an ancestor that cannot be read', () => {
  const openFiles = () => readdirSync('/proc/self/fd').length;
  const spoil = (text: string) =>
    tree.write({ ...v2Group('cg/pod', { current: 190 * MiB, max: 200 * MiB }), 'cg/pod/memory.stat': text });

  it('costs itself, not the own group, is said, and is tried again', () => {
    spoil('anon x1\n');
    expect(open().read(0)).toMatchObject({
      usedBytes: 90 * MiB,
      limitBytes: 100 * MiB,
      limitSource: 'cgroup-v2',
    });
    expect(memory?.degraded()[0]).toMatchObject({
      code: 'ancestor_unreadable',
      message: expect.stringMatching(/\/cg\/pod\b.*memory\.stat/),
    });
    spoil('anon 1\n');
    expect(memory?.read(5000)).toMatchObject({ usedBytes: 90 * MiB });
    expect(memory?.read(20_000)).toMatchObject({ usedBytes: 190 * MiB });
    expect(memory?.degraded()).toEqual([]);
    tree.write({ 'cg/pod/memory.max': 'nonsense\n' });
    expect(memory?.read(20_500)).toMatchObject({ usedBytes: 90 * MiB, usageSource: 'cgroup-v2' });
    expect(memory?.read(20_600)).toMatchObject({ usedBytes: 90 * MiB });
  });

  it.each(['cg/pod/memory.stat', 'cg/pod/agent/memory.stat'])('leaves no file open: %s', (file) => {
    spoil('anon 1\n');
    tree.write({ [file]: 'anon x1\n' });
    open().read(0);
    memory?.close();
    const before = openFiles();
    for (let i = 1; i <= 100; i++) memory?.read(i * 20_000);
    memory?.close();
    expect(openFiles() - before).toBeLessThan(5);
  });

  it('is not waited for where the agent has put a FIFO in its place', () => {
    for (const file of ['cg/pod/agent/memory.current', 'cg/pod/agent/cgroup.procs']) {
      rmSync(`${tree.root}/${file}`);
      execFileSync('mkfifo', [`${tree.root}/${file}`]);
      expect(open({ downwardLimitBytes: 128 * MiB }).read(0)).toMatchObject({ usageSource: 'rss' });
      expect(memory?.degraded()[0]).toMatchObject({ code: 'cgroup_unreadable' });
    }
  });
});
