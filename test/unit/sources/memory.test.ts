import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ratioOf } from '../../../src/core/model/reading.ts';
import { AgentMemory, type AgentMemoryOptions } from '../../../src/sources/memory.ts';
import { type FakeTree, fakeTree, v1Group, v2Group } from '../../support/fake-cgroup.ts';

const MiB = 2 ** 20;
let tree: FakeTree;
let memory: AgentMemory;
const rss: AgentMemoryOptions['rss'] = {
  read(into) {
    into.usedBytes = 80 * MiB;
    into.reclaimableBytes = 30 * MiB;
  },
};

/** An agent, pid 7, in `/pod/agent` of a v2 hierarchy; the guardian in `/pod/guardian`. */
beforeEach(() => {
  tree = fakeTree({
    'proc/7/cgroup': '0::/pod/agent\n',
    'proc/self/cgroup': '0::/pod/guardian\n',
    'proc/self/mountinfo': '30 23 0:26 / $ROOT/cg rw - cgroup2 cgroup2 rw\n',
    'proc/7/mountinfo': '',
    'cg/cgroup.procs': '',
  });
});
afterEach(() => {
  memory.close();
  tree.remove();
});

function open(options: Partial<AgentMemoryOptions> = {}): AgentMemory {
  memory = new AgentMemory({
    procRoot: `${tree.root}/proc`,
    pid: 7,
    rss,
    machineBytes: 8192 * MiB,
    privateGroup: false,
    ...options,
  });
  return memory;
}

describe('memory of an agent in a v2 cgroup', () => {
  it('leaves out what the kernel can drop, and not shared memory', () => {
    const stat = {
      anon: 100 * MiB,
      file: 330 * MiB,
      shmem: 30 * MiB,
      inactive_file: 200 * MiB,
      active_file: 100 * MiB,
      slab_reclaimable: 10 * MiB,
      kernel: 20 * MiB,
    };
    tree.write(v2Group('cg/pod/agent', { current: 450 * MiB, max: 500 * MiB, stat }));
    const reading = open().read(0);
    expect(reading).toMatchObject({
      usedBytes: 450 * MiB,
      reclaimableBytes: 310 * MiB,
      anonBytes: 100 * MiB,
      shmemBytes: 30 * MiB,
      kernelBytes: 20 * MiB,
      limitBytes: 500 * MiB,
      limitSource: 'cgroup-v2',
      usageSource: 'cgroup-v2',
    });
    expect(ratioOf(reading)).toBeCloseTo(0.28);
    expect(memory.degraded()).toEqual([]);
  });

  it('never says that less than nothing is held when the counters disagree', () => {
    tree.write(
      v2Group('cg/pod/agent', { current: 10 * MiB, max: 100 * MiB, stat: { inactive_file: 12 * MiB } }),
    );
    expect(ratioOf(open().read(0))).toBe(0);
  });

  it('says of a figure the kernel does not tell that it is not known', () => {
    tree.write(v2Group('cg/pod/agent', { current: 10 * MiB, max: 100 * MiB, stat: { anon: 5 * MiB } }));
    expect(open().read(0)).toMatchObject({ anonBytes: 5 * MiB, shmemBytes: null, kernelBytes: null });
  });

  it('judges against the visible ancestor that is nearest to its limit, with the use of that ancestor', () => {
    tree.write({
      ...v2Group('cg/pod', { current: 190 * MiB, max: 200 * MiB }),
      ...v2Group('cg/pod/agent', { current: 50 * MiB, max: 100 * MiB }),
    });
    expect(open().read(0)).toMatchObject({ limitBytes: 200 * MiB, usedBytes: 190 * MiB });
    tree.write(v2Group('cg/pod', { current: 60 * MiB, max: 200 * MiB }));
    expect(memory.read(1)).toMatchObject({ limitBytes: 100 * MiB, usedBytes: 50 * MiB });
  });

  it('sees a changed limit within a second', () => {
    tree.write(v2Group('cg/pod/agent', { current: 50 * MiB, max: 100 * MiB }));
    expect(open().read(0).limitBytes).toBe(100 * MiB);
    tree.write({ 'cg/pod/agent/memory.max': `${200 * MiB}\n` });
    expect(memory.read(999).limitBytes).toBe(200 * MiB);
    tree.write({ 'cg/pod/agent/memory.max': 'max\n' });
    expect(memory.read(1999)).toMatchObject({ limitSource: 'machine', usageSource: 'cgroup-v2' });
  });

  it('follows the agent into another group', () => {
    tree.write({
      ...v2Group('cg/pod/agent', { current: 50 * MiB, max: 100 * MiB }),
      ...v2Group('cg/pod/other', { current: 70 * MiB, max: 400 * MiB }),
    });
    open().read(0);
    tree.write({ 'proc/7/cgroup': '0::/pod/other\n' });
    expect(memory.read(2500)).toMatchObject({ usedBytes: 70 * MiB, limitBytes: 400 * MiB });
  });

  it('counts the kills of its own group', () => {
    tree.write(v2Group('cg/pod/agent', { max: 100 * MiB, oomKills: 3 }));
    open().read(0);
    expect(memory.readOomKills()).toBe(3);
  });

  it.each([
    { oomKills: 2, groupKills: 1, processes: 1 },
    { oomKills: 1, groupKills: 1, processes: 1 }, // dead before the kernel came to the rest of the group
    { oomKills: 1, groupKills: 0, processes: 1 }, // about to
    { oomKills: 4, groupKills: 1, processes: 3 },
    { oomKills: 4, groupKills: 2, processes: 2 },
  ])('counts processes where the whole group dies: $oomKills, $groupKills', ({ processes, ...counted }) => {
    tree.write(v2Group('cg/pod/agent', { max: 100 * MiB, ...counted }));
    open().read(0);
    expect(memory.readOomKills()).toBe(processes);
  });
});

describe('memory of an agent in a v1 cgroup', () => {
  beforeEach(() => {
    tree.write({
      'proc/7/cgroup': '4:memory:/pod/agent\n0::/\n',
      'proc/self/cgroup': '4:memory:/pod/guardian\n0::/\n',
      'proc/self/mountinfo': '35 31 0:32 / $ROOT/cg rw - cgroup cgroup rw,memory\n',
    });
  });

  it('reads totals over sub-groups, and kernel memory from its own file', () => {
    const stat = {
      rss: 1,
      total_rss: 60 * MiB,
      total_shmem: 5 * MiB,
      total_inactive_file: 20 * MiB,
      total_active_file: 10 * MiB,
    };
    tree.write(v1Group('cg/pod/agent', { usage: 96 * MiB, limit: String(100 * MiB), stat, oomKills: 1 }));
    expect(open().read(0)).toMatchObject({
      usedBytes: 96 * MiB,
      reclaimableBytes: 30 * MiB,
      anonBytes: 60 * MiB,
      shmemBytes: 5 * MiB,
      kernelBytes: 1000,
      limitBytes: 100 * MiB,
      limitSource: 'cgroup-v1',
      usageSource: 'cgroup-v1',
    });
    expect(memory.readOomKills()).toBe(1);
  });

  it('takes the limit of an ancestor nobody can see from here', () => {
    const stat = { total_rss: 60 * MiB, hierarchical_memory_limit: 80 * MiB };
    tree.write(v1Group('cg/pod/agent', { usage: 64 * MiB, stat }));
    expect(open().read(0)).toMatchObject({ limitBytes: 80 * MiB, limitSource: 'cgroup-v1' });
  });

  it("takes the kubelet's limit on all pods together for none", () => {
    const stat = { total_rss: 60 * MiB, hierarchical_memory_limit: 8000 * MiB };
    tree.write(v1Group('cg/pod/agent', { usage: 64 * MiB, stat }));
    expect(open().read(0)).toMatchObject({ usedBytes: 64 * MiB, limitSource: 'machine' });
  });

  it('stays with the group of a process that is ending, which v1 already lists in the root', () => {
    const stat = { total_rss: 60 * MiB, hierarchical_memory_limit: 80 * MiB };
    tree.write(v1Group('cg', { usage: 900 * MiB, stat: {} }));
    tree.write(v1Group('cg/pod/agent', { usage: 64 * MiB, stat }));
    open().read(0);
    tree.write({
      'proc/7/cgroup': '4:memory:/\n',
      ...v1Group('cg/pod/agent', { usage: MiB, stat, oomKills: 1 }),
    });
    expect(memory.read(5000)).toMatchObject({ usedBytes: MiB, limitBytes: 80 * MiB });
    expect(memory.readOomKills()).toBe(1);
  });

  it('knows its page-rounded "no limit"', () => {
    const stat = { hierarchical_memory_limit: 2 ** 63 - 2 ** 12 };
    tree.write(v1Group('cg/pod/agent', { usage: 64 * MiB, stat }));
    expect(open().read(0)).toMatchObject({ limitBytes: 8192 * MiB, limitSource: 'machine' });
    expect(memory.degraded()).toMatchObject([{ code: 'no_memory_limit' }]);
  });
});

describe('falling back', () => {
  it('takes the option before the kernel, and says when the kernel would kill first', () => {
    tree.write(v2Group('cg/pod/agent', { current: 50 * MiB, max: 100 * MiB }));
    expect(open({ limitBytes: 300 * MiB }).read(0)).toMatchObject({
      limitBytes: 300 * MiB,
      limitSource: 'option',
    });
    expect(memory.degraded()).toMatchObject([{ code: 'limit_above_kernel' }]);
  });

  it('takes RSS where the agent shares a cgroup without a limit', () => {
    tree.write({ 'proc/self/cgroup': '0::/pod/agent\n', ...v2Group('cg/pod/agent', { current: 900 * MiB }) });
    expect(open({ limitBytes: 200 * MiB }).read(0)).toMatchObject({
      usageSource: 'rss',
      usedBytes: 80 * MiB,
      anonBytes: null,
    });
    expect(memory.degraded()).toMatchObject([{ code: 'shared_cgroup' }]);
  });

  it('takes the shared cgroup where its own limit is the one that kills', () => {
    tree.write({
      'proc/self/cgroup': '0::/pod/agent\n',
      ...v2Group('cg/pod/agent', { current: 90 * MiB, max: 100 * MiB }),
    });
    expect(open().read(0)).toMatchObject({ usageSource: 'cgroup-v2', usedBytes: 90 * MiB });
  });

  it('takes RSS against the downward API where the cgroup cannot be seen, and says why', () => {
    expect(open({ downwardLimitBytes: 128 * MiB }).read(0)).toMatchObject({
      usageSource: 'rss',
      limitSource: 'downward-api',
      limitBytes: 128 * MiB,
    });
    expect(memory.degraded()).toMatchObject([
      {
        code: 'cgroup_unreadable',
        hint: expect.stringContaining('shareProcessNamespace'),
      },
    ]);
  });

  it('takes RSS after a file turned to nonsense, and the cgroup again when it makes sense', () => {
    tree.write(v2Group('cg/pod/agent', { current: 50 * MiB, max: 100 * MiB }));
    open().read(0);
    tree.write({ 'cg/pod/agent/memory.current': '\u0000\u0001garbage' });
    expect(memory.read(10)).toMatchObject({ usageSource: 'rss', limitSource: 'machine' });
    expect(memory.degraded()[0]).toMatchObject({
      code: 'cgroup_unreadable',
      message: expect.stringContaining('memory.current'),
    });
    tree.write({ 'cg/pod/agent/memory.current': `${60 * MiB}\n` });
    expect(memory.read(2500)).toMatchObject({ usageSource: 'cgroup-v2', usedBytes: 60 * MiB });
  });
});
