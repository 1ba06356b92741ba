import { onTestFinished } from 'vitest';
import { locateMemoryCgroup } from '../../src/wrap/cgroup-place.ts';
import { makePrivateCgroup, SMALLEST_LIMIT_BYTES } from '../../src/wrap/private-cgroup.ts';
import { fakeTree } from '../support/fake-cgroup.ts';
import { golden } from '../support/golden.ts';

const V2_MOUNT = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';
const V1_PART =
  '35 31 0:33 /docker/id /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n34 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu';

golden('wrap', () => {
  const places = [
    ['in none', '1:cpu:/b\n', V1_PART],
    ['not mounted', '4:memory:/a\n', V2_MOUNT],
    ['outside the namespace', '0::/../b\n', V2_MOUNT],
    ['in another part', '4:memory:/docker/id2\n', V1_PART],
    ['read-only', '0::/a\n', V2_MOUNT.replace('rw,nosuid', 'ro,nosuid')],
    ['read-only as a whole', '0::/a\n', V2_MOUNT.replace('rw,nsdelegate', 'ro,nsdelegate')],
    ['nothing to read', '', ''],
  ].map(([name, cgroup = '', mountinfo = '']) => `${name}: ${locateMemoryCgroup(cgroup, mountinfo)}`);
  // of two groups, the guardian is not alone in the inner one, and the outer one has no memory controller
  const crowded = reasonsIn('0::/a/b\n', {
    'cgroup/a/b/cgroup.type': 'domain\n',
    'cgroup/a/b/cgroup.procs': `${process.pid}\n1\n`,
    'cgroup/a/b/cgroup.controllers': 'memory\n',
    'cgroup/a/cgroup.controllers': 'cpu\n',
    'cgroup/a/memory.max': '1048576\n',
  });
  const { reasons: small } = makePrivateCgroup({ limitBytes: SMALLEST_LIMIT_BYTES - 1 });
  const { reasons: none } = makePrivateCgroup({ limitBytes: 64 << 20, procRoot: '/no/such/proc' });
  return [...places, ...crowded, ...small, ...none];
});

function reasonsIn(cgroup: string, files: Record<string, string>): string[] {
  const { root, remove } = fakeTree({
    'proc/self/cgroup': cgroup,
    'proc/self/mountinfo': V2_MOUNT.replace('/sys/fs/cgroup', '$ROOT/cgroup'),
    'proc/self/stat': '42 (node) S 7 40 39 0 -1 0 99 0 0 0 0 0 0 0 20 0 1 0 378083 0 0',
    ...files,
  });
  onTestFinished(remove);
  const { reasons } = makePrivateCgroup({ limitBytes: 64 << 20, procRoot: `${root}/proc` });
  return reasons.map((reason) => reason.replaceAll(root, 'ROOT'));
}
