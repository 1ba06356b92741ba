import { dirname, resolve } from 'node:path';
import { parseMountinfo, parseProcCgroup, pathWithin } from '../core/proc/cgroup-text.ts';

/** The memory cgroup a process is in, as a directory that can be opened. */
export interface MemoryCgroup {
  version: 1 | 2;
  /** Where the hierarchy is mounted: nothing above it can be reached. */
  mountPoint: string;
  directory: string;
}

/**
 * Finds the memory cgroup of a process.
 * @param cgroupText `/proc/PID/cgroup`
 * @param mountinfoText `/proc/PID/mountinfo`; a container without a cgroup namespace sees only its own part there
 * @returns the reason in words when there is none to work in
 */
export function locateMemoryCgroup(cgroupText: string, mountinfoText: string): MemoryCgroup | string {
  const group = parseProcCgroup(cgroupText);
  if (!group) return 'the process is in no memory cgroup';
  const mounts = parseMountinfo(mountinfoText).flatMap((mount) => {
    const below = mount.version === group.version ? pathWithin(mount.root, group.path) : undefined;
    return below === undefined ? [] : [{ ...mount, below }];
  });
  const mount = mounts.find(({ readOnly }) => !readOnly);
  if (mounts.length === 0) return `the cgroup ${group.path} (${group.version}) has no visible mount`;
  if (!mount) return `${mounts[0]?.mountPoint} is mounted read-only`;
  return {
    version: group.version === 'v1' ? 1 : 2,
    mountPoint: mount.mountPoint,
    directory: resolve(mount.mountPoint, `.${mount.below}`),
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
