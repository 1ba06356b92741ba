import { afterEach, describe, expect, it } from 'vitest';
import { locateCgroup } from '../../../../src/sources/cgroup/locate.ts';
import { type FakeTree, fakeTree } from '../../../support/fake-cgroup.ts';

const trees: FakeTree[] = [];
afterEach(() => {
  for (const tree of trees.splice(0)) tree.remove();
});
function procOf(files: Record<string, string>): { proc: string; root: string } {
  const tree = fakeTree(files);
  trees.push(tree);
  return { proc: `${tree.root}/proc`, root: tree.root };
}
const v2Mount = (root: string, at: string) => `30 23 0:26 ${root} ${at} rw - cgroup2 cgroup2 rw\n`;
const v1Mount = (root: string, at: string) => `35 31 0:32 ${root} ${at} rw - cgroup cgroup rw,memory\n`;

describe('locating', () => {
  it('goes through our own mount where that shows the group, and lists every visible ancestor', () => {
    const { proc, root } = procOf({
      'proc/7/cgroup': '0::/a/b\n',
      'proc/self/mountinfo': v2Mount('/', '$ROOT/cg'),
      'cg/cgroup.procs': '',
      'cg/a/b/cgroup.procs': '7\n',
    });
    expect(locateCgroup(proc, 7)).toEqual({
      version: 'v2',
      path: '/a/b',
      directories: [`${root}/cg/a/b`, `${root}/cg/a`, `${root}/cg`],
    });
  });

  it('goes through the root directory of the agent in another container of the pod, on v2', () => {
    const { proc } = procOf({
      'proc/7/cgroup': '0::/../c1\n',
      'proc/self/mountinfo': v2Mount('/', '/sys/fs/cgroup'),
      'proc/7/mountinfo': v2Mount('/../c1', '/sys/fs/cgroup'),
      'proc/7/root/sys/fs/cgroup/cgroup.procs': '7\n',
    });
    expect(locateCgroup(proc, 7).directories).toEqual([`${proc}/7/root/sys/fs/cgroup`]);
  });

  it('does the same on v1, where paths are those of the host', () => {
    const { proc } = procOf({
      'proc/7/cgroup': '4:memory:/kubepods/pod1/agent\n0::/\n',
      'proc/self/mountinfo': v1Mount('/kubepods/pod1/sidecar', '/sys/fs/cgroup/memory'),
      'proc/7/mountinfo': v1Mount('/kubepods/pod1/agent', '/sys/fs/cgroup/memory'),
      'proc/7/root/sys/fs/cgroup/memory/cgroup.procs': '7\n',
    });
    expect(locateCgroup(proc, 7)).toMatchObject({
      version: 'v1',
      directories: [`${proc}/7/root/sys/fs/cgroup/memory`],
    });
  });

  it('says what to do when the group is mounted nowhere', () => {
    const { proc } = procOf({
      'proc/7/cgroup': '0::/a\n',
      'proc/self/mountinfo': '',
      'proc/7/mountinfo': '',
    });
    expect(() => locateCgroup(proc, 7)).toThrowError(
      expect.objectContaining({ code: 'read', hint: expect.stringContaining('shareProcessNamespace') }),
    );
  });

  it('names the file when the process is gone', () => {
    const { proc } = procOf({});
    expect(() => locateCgroup(proc, 7)).toThrowError(
      expect.objectContaining({ code: 'read', message: expect.stringMatching(/7\/cgroup .*ENOENT/) }),
    );
  });
});
