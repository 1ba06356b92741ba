import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { locateMemoryCgroup, upwards } from '../../../src/wrap/cgroup-place.ts';
import { makePrivateCgroup, SMALLEST_LIMIT_BYTES, sweepStale } from '../../../src/wrap/private-cgroup.ts';

const V2_MOUNT = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';
const V1_MOUNTS = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
34 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`;

describe('the own memory cgroup', () => {
  it.each([
    ['version 2', '0::/user.slice/a.scope\n', V2_MOUNT, 2, '/sys/fs/cgroup/user.slice/a.scope'],
    ['version 1 beside 2', '4:memory:/a\n1:cpu:/b\n0::/c\n', V1_MOUNTS, 1, '/sys/fs/cgroup/memory/a'],
    ['memory mounted with others', '4:hugetlb,memory:/a\n', V1_MOUNTS, 1, '/sys/fs/cgroup/memory/a'],
    ['version 2 in a hybrid', '1:cpu:/b\n0::/c\n', V1_MOUNTS, 2, '/sys/fs/cgroup/unified/c'],
    [
      'only the own part mounted',
      '4:memory:/docker/id/in\n',
      V1_MOUNTS.replace('0:33 /', '0:33 /docker/id'),
      1,
      '/sys/fs/cgroup/memory/in',
    ],
    ['a cgroup namespace', '0::/\n', V2_MOUNT, 2, '/sys/fs/cgroup'],
    [
      'a blank in the mount point',
      '0::/a\n',
      V2_MOUNT.replace('/sys/fs/cgroup', '/my\\040cgroup'),
      2,
      '/my cgroup/a',
    ],
    ['a colon in the name', '0::/a:b\n', V2_MOUNT, 2, '/sys/fs/cgroup/a:b'],
    [
      'a read-only mount beside',
      '0::/a\n',
      `${V2_MOUNT.replace('/sys/fs/cgroup rw', '/ro ro')}\n${V2_MOUNT}`,
      2,
      '/sys/fs/cgroup/a',
    ],
  ])('is found: %s', (_, cgroup, mountinfo, version, directory) => {
    expect(locateMemoryCgroup(cgroup, mountinfo)).toMatchObject({ version, directory });
  });

  it.each([
    ['none', '1:cpu:/b\n', V1_MOUNTS],
    ['not mounted', '4:memory:/a\n', V2_MOUNT],
    ['outside the namespace', '0::/../b\n', V2_MOUNT],
    ['of another part', '4:memory:/docker/id2\n', V1_MOUNTS.replace('0:33 /', '0:33 /docker/id')],
    ['read-only', '0::/a\n', V2_MOUNT.replace('rw,nosuid', 'ro,nosuid')],
    ['read-only as a whole', '0::/a\n', V2_MOUNT.replace('rw,nsdelegate', 'ro,nsdelegate')],
    ['nothing to read', '', ''],
  ])('is not: %s', (_, cgroup, mountinfo) => {
    expect(locateMemoryCgroup(cgroup, mountinfo), 'why').toBeTypeOf('string');
  });

  it('is inside all above it, up to the mount', () => {
    expect(upwards({ version: 2, mountPoint: '/m', directory: '/m/a/b' })).toEqual(['/m/a/b', '/m/a', '/m']);
    expect(upwards({ version: 2, mountPoint: '/m', directory: '/m' })).toEqual(['/m']);
  });
});

/** A tree of plain files: good for every way in which making a group fails; the kernel tier has those in which it works. */
describe('where no group can be made', () => {
  const trees: string[] = [];
  afterEach(() => {
    for (const tree of trees.splice(0)) rmSync(tree, { recursive: true });
  });
  const tree = (cgroup: string, files: Record<string, string>) => {
    const root = mkdtempSync(join(tmpdir(), 'cgroup-'));
    trees.push(root);
    const proc = join(root, 'proc');
    mkdirSync(join(proc, 'self/ns'), { recursive: true });
    symlinkSync('pid:[4026531836]', join(proc, 'self/ns/pid'));
    writeFileSync(join(proc, 'self/cgroup'), cgroup);
    writeFileSync(join(proc, 'self/mountinfo'), V2_MOUNT.replace('/sys/fs/cgroup', join(root, 'cgroup')));
    writeFileSync(join(proc, 'self/stat'), '42 (node) S 7 40 39 0 -1 0 99 0 0 0 0 0 0 0 20 0 1 0 378083 0 0');
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(join(root, 'cgroup', file, '..'), { recursive: true });
      writeFileSync(join(root, 'cgroup', file), text);
    }
    return proc;
  };
  const reasonsOf = (procRoot: string, limitBytes = 64 << 20) => {
    const { group, reasons } = makePrivateCgroup({ limitBytes, procRoot });
    expect(group).toBeUndefined();
    expect(reasons.at(-1), 'the hint').toContain('Delegate=yes');
    return reasons.slice(0, -1).join('\n');
  };

  it('every place tried is named with its reason', () => {
    const proc = tree('0::/a/b\n', {
      'a/b/cgroup.type': 'domain\n',
      'a/b/cgroup.procs': `${process.pid}\n1\n`,
      'a/b/cgroup.controllers': 'memory\n',
      'a/cgroup.controllers': 'cpu\n',
      'cgroup.controllers': 'cpu memory\n',
    });
    const reasons = reasonsOf(proc);
    expect(reasons).toMatch(/\/a\/b: .*\b1\b.*\n.*\/a: .*\n.*\/cgroup: ENOENT/);
  });

  it('a place above is not used when the command would escape a tighter limit there', () => {
    const proc = tree('0::/a\n', {
      'a/cgroup.controllers': 'cpu\n',
      'a/memory.max': '1048576\n',
      'cgroup.controllers': 'memory\n',
    });
    expect(reasonsOf(proc)).toMatch(/\/a: .*\n.*\/a .* 1\.00 MiB$/);
  });

  it('a limit in which nothing starts is refused', () => {
    expect(reasonsOf('/proc', SMALLEST_LIMIT_BYTES - 1)).toMatch(/^4\.00 MiB [^\n]*$/);
  });

  it('a system without cgroups says so', async () => {
    expect(reasonsOf('/no/such/proc')).toContain('ENOENT');
    expect(await sweepStale({ procRoot: '/no/such/proc' })).toEqual([]);
  });

  it('groups of a living guardian, of another pid namespace and of others are left alone', async () => {
    const files = Object.fromEntries(
      ['spillway-42-378083-4026531836', 'spillway-42-1-999', 'spillway-guardian', 'spillway-x'].map(
        (name) => [`${name}/f`, ''],
      ),
    );
    const proc = tree('0::/\n', files);
    mkdirSync(join(proc, '42'));
    writeFileSync(join(proc, '42/stat'), '42 (node) S 7 40 39 0 -1 0 99 0 0 0 0 0 0 0 20 0 1 0 378083 0 0');
    expect(await sweepStale({ procRoot: proc })).toEqual([]);
  });
});
