import { dirname, resolve } from 'node:path';

/** The memory cgroup a process is in, as a directory that can be opened. */
export interface MemoryCgroup {
  version: 1 | 2;
  /** Where the hierarchy is mounted: nothing above it can be reached. */
  mountPoint: string;
  directory: string;
}

/**
 * Finds the memory cgroup of a process.
 * @param cgroupText `/proc/PID/cgroup`: lines `id:controllers:path`. On a hybrid host `memory` has a line of its own, and
 *   the line `0::` of version 2 knows no memory.
 * @param mountinfoText `/proc/PID/mountinfo`: `id parent major:minor root mountpoint options … - type source options`. `root`
 *   is the part of the hierarchy that is mounted: a container without a cgroup namespace sees only its own.
 * @returns the reason in words when there is none to work in
 */
export function locateMemoryCgroup(cgroupText: string, mountinfoText: string): MemoryCgroup | string {
  const lines = cgroupText.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const v1 = lines.find((line) => line?.[1]?.split(',').includes('memory'));
  const own = v1 ?? lines.find((line) => line?.[1] === '');
  const path = own?.[2];
  if (path === undefined) return 'the process is in no memory cgroup';
  const version = v1 ? 1 : 2;
  const mounts = mountsOf(mountinfoText, version).filter(({ root }) => isWithin(path, root));
  const mount = mounts.find(({ readOnly }) => !readOnly);
  if (mounts.length === 0) return `the cgroup ${path} of version ${version} is not visible in any mount`;
  if (!mount) return `${mounts[0]?.mountPoint} is mounted read-only`;
  return {
    version,
    mountPoint: mount.mountPoint,
    directory: resolve(mount.mountPoint, `.${mount.root === '/' ? path : path.slice(mount.root.length)}`),
  };
}

/** The directory and all above it, up to the mount point. */
export function upwards({ directory, mountPoint }: MemoryCgroup): string[] {
  const chain = [directory];
  for (let at = directory; at !== mountPoint && at !== '/'; ) {
    at = dirname(at);
    chain.push(at);
  }
  return chain;
}

interface Mount {
  root: string;
  mountPoint: string;
  readOnly: boolean;
}

function mountsOf(text: string, version: 1 | 2): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ', 2);
    const [, , , root, mountPoint, options] = before.split(' ');
    const [type, , superOptions = ''] = after.split(' ');
    const wanted =
      version === 2 ? type === 'cgroup2' : type === 'cgroup' && superOptions.split(',').includes('memory');
    if (!wanted || root === undefined || mountPoint === undefined) return [];
    const readOnly = [options, superOptions].some((list) => list?.split(',').includes('ro'));
    return [{ root: unescapeOctal(root), mountPoint: unescapeOctal(mountPoint), readOnly }];
  });
}

/** mountinfo writes blanks, tabs, line feeds and backslashes as octal numbers. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function isWithin(path: string, root: string): boolean {
  if (path.startsWith('/..')) return false; // outside this cgroup namespace
  return root === '/' || path === root || path.startsWith(`${root}/`);
}
