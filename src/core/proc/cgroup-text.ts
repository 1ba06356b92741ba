/** A cgroup as `/proc/PID/cgroup` names it: equal path, equal group. */
export interface GroupName {
  version: 'v1' | 'v2';
  path: string;
}

/** A line of `/proc/PID/mountinfo` that mounts cgroups. */
export interface CgroupMount {
  version: 'v1' | 'v2';
  /** Which part of the hierarchy is mounted, relative to the reader's cgroup namespace. */
  root: string;
  mountPoint: string;
  readOnly: boolean;
}

/** What a cgroup bounds; on v1 each has a hierarchy of its own. */
export type Controller = 'memory' | 'cpu';

/**
 * The line of `/proc/PID/cgroup` for a controller.
 *
 *     4:memory:/kubepods/pod1/c1     v1, or hybrid: a line with the controller wins
 *     0::/../c1                      v2: relative to the reader's own cgroup namespace
 */
export function parseProcCgroup(text: string, controller: Controller = 'memory'): GroupName | undefined {
  let unified: string | undefined;
  for (const line of text.split('\n')) {
    const [id, controllers, ...rest] = line.split(':');
    if (controllers === undefined || rest.length === 0) continue;
    const path = rest.join(':');
    if (controllers.split(',').includes(controller)) return { version: 'v1', path };
    if (id === '0' && controllers === '') unified = path;
  }
  return unified === undefined ? undefined : { version: 'v2', path: unified };
}

/**
 * The cgroup mounts of `/proc/PID/mountinfo`; on v1 those of a controller.
 *
 *     36 25 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
 *     id parent dev root mount-point options [tags…] - type source super-options
 */
export function parseMountinfo(text: string, controller: Controller = 'memory'): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of text.split('\n')) {
    const separator = line.indexOf(' - ');
    if (separator < 0) continue;
    const [, , , root, mountPoint, options = ''] = line.slice(0, separator).split(' ');
    const [type, , superOptions = ''] = line.slice(separator + 3).split(' ');
    if (root === undefined || mountPoint === undefined) continue;
    const v1 = type === 'cgroup' && superOptions.split(',').includes(controller);
    if (v1 || type === 'cgroup2')
      mounts.push({
        version: v1 ? 'v1' : 'v2',
        root: unescapeOctal(root),
        mountPoint: unescapeOctal(mountPoint),
        readOnly: [options, superOptions].some((list) => list.split(',').includes('ro')),
      });
  }
  return mounts;
}

/** mountinfo writes space, tab, newline and backslash as `\040` and so on. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** `path` below a mount of `root`, or `undefined` when the mount does not show it. */
export function pathWithin(root: string, path: string): string | undefined {
  if (path === root) return '';
  const prefix = root === '/' ? '/' : `${root}/`;
  if (!path.startsWith(prefix) || path.startsWith('/..', prefix.length - 1)) return undefined;
  return `/${path.slice(prefix.length)}`;
}
