import { describe, expect, it, onTestFinished } from 'vitest';
import { MOST_CORES, SEEN_BYTES_PER_SECOND } from '../../../src/core/model/fastest-growth.ts';
import { watchFastestGrowth, zeroedPerSecond } from '../../../src/sources/fastest-growth.ts';
import { fakeTree } from '../../support/fake-cgroup.ts';

const PID = 7;
const V2 = {
  'proc/7/cgroup': '0::/pod/c1\n',
  'proc/7/mountinfo': '',
  'proc/self/mountinfo': '30 1 0:26 / $ROOT/cg rw - cgroup2 cgroup2 rw\n',
  'cg/pod/c1/cgroup.procs': '',
};
const V1 = {
  'proc/7/cgroup': '5:cpu,cpuacct:/c1\n4:memory:/c1\n',
  'proc/7/mountinfo': '',
  'proc/self/mountinfo': '30 1 0:26 / $ROOT/cpu rw - cgroup cgroup rw,cpu,cpuacct\n',
  'cpu/c1/cgroup.procs': '',
};

function growth(files: Record<string, string>, cpus = 64) {
  const tree = fakeTree(files);
  onTestFinished(tree.remove);
  const watch = watchFastestGrowth({ procRoot: `${tree.root}/proc`, pid: PID, cpus, measure: () => 5e9 });
  return { tree, watch };
}

describe('the processors an agent may use', () => {
  it('are those its cpuset and affinity allow', () => {
    const { watch } = growth({ ...V2, 'proc/7/status': 'Cpus_allowed_list:\t0-1\n' });
    expect(watch(0)).toMatchObject({ cores: 2, quotaCores: 2 });
  });

  it('are the tightest quota of its group and those above, on v2', () => {
    const { watch } = growth({
      ...V2,
      'cg/pod/c1/cpu.max': '200000 100000\n',
      'cg/pod/cpu.max': '50000 100000\n',
    });
    expect(watch(0)).toMatchObject({ quotaCores: 0.5, periodMs: 100 });
  });

  it('and on v1, where the controller has a hierarchy of its own', () => {
    const { watch } = growth({
      ...V1,
      'cpu/c1/cpu.cfs_quota_us': '150000\n',
      'cpu/c1/cpu.cfs_period_us': '100000\n',
      'cpu/cpu.cfs_quota_us': '-1\n',
      'cpu/cpu.cfs_period_us': '100000\n',
    });
    expect(watch(0)).toMatchObject({ quotaCores: 1.5, periodMs: 100 });
  });

  it('are as many as count where nothing bounds them', () => {
    expect(growth({}).watch(0)).toMatchObject({ cores: MOST_CORES, quotaCores: MOST_CORES });
    expect(growth({}, 2).watch(0)).toMatchObject({ cores: 2, quotaCores: 2 });
  });

  it('are read again, but seldom; the machine is measured with the second reading', () => {
    const { tree, watch } = growth({ ...V2, 'cg/pod/c1/cpu.max': 'max 100000\n' });
    expect(watch(0).bytesPerSecond).toBe(SEEN_BYTES_PER_SECOND);
    tree.write({ 'cg/pod/c1/cpu.max': '100000 100000\n' });
    expect(watch(9_999).quotaCores).toBe(MOST_CORES);
    expect(watch(10_000)).toMatchObject({ quotaCores: 1, bytesPerSecond: 5e9 });
  });
});

it('a machine counts as no slower than others were seen to be', () => {
  expect(zeroedPerSecond()).toBeGreaterThanOrEqual(SEEN_BYTES_PER_SECOND);
});
