import { describe, expect, it } from 'vitest';
import { parseMountinfo, parseProcCgroup, pathWithin } from '../../../../src/core/proc/cgroup-text.ts';

describe('the group of a process', () => {
  it.each([
    ['0::/a/b\n', { version: 'v2', path: '/a/b' }],
    ['5:cpu:/x\n4:memory:/m\n0::/u\n', { version: 'v1', path: '/m' }],
    ['4:cpuset,memory:/m:with:colons\n', { version: 'v1', path: '/m:with:colons' }],
    ['5:cpu:/x\n0::/\n', { version: 'v2', path: '/' }],
    ['1:name=systemd:/\n', undefined],
    ['3:cpu:/c\n0::/user.slice/a:b\n', { version: 'v2', path: '/user.slice/a:b' }],
    ['', undefined],
  ])('of %j', (text, group) => expect(parseProcCgroup(text)).toEqual(group));
});

describe('mounts', () => {
  it('are taken from lines that mount memory cgroups, with escaped characters put back', () => {
    const text = `1 0 8:1 / / rw - ext4 /dev/sda rw\n35 31 0:32 /a /mnt/with\\040space rw - cgroup cgroup rw,memory\n36 31 0:33 / /x rw shared:4 - cgroup cgroup rw,cpu\n`;
    expect(parseMountinfo(text)).toEqual([
      { version: 'v1', root: '/a', mountPoint: '/mnt/with space', readOnly: false },
    ]);
  });

  it.each([
    ['rw,nosuid', 'rw', false],
    ['ro,nosuid', 'rw', true],
    ['rw', 'ro,nsdelegate', true],
  ])('with options %s and %s: read-only is %s', (options, superOptions, readOnly) => {
    const text = `30 23 0:26 / /cg ${options} shared:4 - cgroup2 cgroup2 ${superOptions}\n`;
    expect(parseMountinfo(text)).toMatchObject([{ version: 'v2', readOnly }]);
  });

  it.each([
    ['/', '/a/b', '/a/b'],
    ['/', '/', ''],
    ['/a', '/a/b', '/b'],
    ['/a', '/ab', undefined],
    ['/', '/../c1', undefined],
    ['/../c1', '/../c1', ''],
    ['/../c1', '/../c1/sub', '/sub'],
  ])('rooted at %s show %s as %s', (root, path, below) => expect(pathWithin(root, path)).toBe(below));
});
