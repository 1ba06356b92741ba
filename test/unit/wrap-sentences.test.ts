import { onTestFinished } from 'vitest';
import { locateMemoryCgroup } from '../../src/wrap/cgroup-place.ts';
import { makePrivateCgroup, SMALLEST_LIMIT_BYTES } from '../../src/wrap/private-cgroup.ts';
import { fakeTree } from '../support/fake-cgroup.ts';
import { golden } from '../support/golden.ts';

const V2_MOUNT = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw';

golden('wrap', () => {
  const places = [
    locateMemoryCgroup('1:cpu:/b\n', V2_MOUNT),
    locateMemoryCgroup('4:memory:/a\n', V2_MOUNT),
    locateMemoryCgroup('0::/a\n', V2_MOUNT.replace('rw,nosuid', 'ro,nosuid')),
  ];
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
  return [...places.map(String), ...crowded, ...small, ...none];
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
