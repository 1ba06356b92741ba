import { closeSync, readFileSync } from 'node:fs';
import { errnoOf, SpillwayError } from '../../core/lib/errors.ts';
import {
  type Controller,
  type GroupName,
  parseMountinfo,
  parseProcCgroup,
  pathWithin,
} from '../../core/proc/cgroup-text.ts';
import { openAgentFile } from '../agent-file.ts';

/** Where the kernel accounts a process's memory, or bounds its processors. */
export interface CgroupPlace {
  version: 'v1' | 'v2';
  /** Directories as they can be opened from here: the process's own group first, then each visible ancestor. */
  directories: string[];
  /** The group as `/proc/PID/cgroup` names it: equal text, equal group. */
  path: string;
}

/**
 * The cgroup of a process, by default that of its memory, as `/proc/PID/cgroup` names it.
 * @throws SpillwayError `read` when the process is gone, or no cgroup accounts memory
 */
export function groupOf(
  procRoot: string,
  pid: number | 'self',
  controller: Controller = 'memory',
): GroupName {
  const group = parseProcCgroup(read(`${procRoot}/${pid}/cgroup`), controller);
  if (group) return group;
  throw new SpillwayError('read', `${procRoot}/${pid}/cgroup names no ${controller} cgroup`, {
    hint: 'the kernel or sandbox offers no memory accounting here; set --limit',
  });
}

/**
 * Finds the cgroup of a process, by default that of its memory: first through our own mounts (wrap mode, host), then through the process's
 * root directory (a container beside us: its own mount shows its own group, on v1 and v2 alike).
 * The latter is a ptrace-read access: same uid and gid, or it is refused.
 *
 * @throws SpillwayError `read`, with the hint, when the group is not visible from here
 */
export function locateCgroup(
  procRoot: string,
  pid: number | 'self',
  controller: Controller = 'memory',
): CgroupPlace {
  const group = groupOf(procRoot, pid, controller);
  const views = [
    { mountinfo: `${procRoot}/self/mountinfo`, prefix: '' },
    { mountinfo: `${procRoot}/${pid}/mountinfo`, prefix: `${procRoot}/${pid}/root` },
  ];
  let refused: string | undefined;
  for (const view of views) {
    for (const mount of parseMountinfo(read(view.mountinfo), controller)) {
      if (mount.version !== group.version) continue;
      const below = pathWithin(mount.root, group.path);
      if (below === undefined) continue;
      const base = view.prefix + mount.mountPoint;
      const directories = ancestry(base, below);
      const failure = probe(directories[0] ?? base);
      if (failure === undefined) return { version: group.version, directories, path: group.path };
      if (failure === 'EACCES' || failure === 'EPERM') refused = base;
    }
  }
  if (refused !== undefined)
    throw new SpillwayError('read', `${refused} is not readable (permission denied)`, {
      hint: 'run the guardian with the same uid and gid as the agent (runAsUser, runAsGroup)',
    });
  throw new SpillwayError('read', `cgroup ${group.path} of pid ${pid} has no visible mount`, {
    hint: 'mount /sys/fs/cgroup in the agent, or share its process namespace (shareProcessNamespace: true)',
  });
}

/** Own directory first, then each parent up to the mount point. */
function ancestry(base: string, below: string): string[] {
  const directories = [];
  for (let rest = below.replace(/\/+$/, ''); rest !== ''; rest = rest.slice(0, rest.lastIndexOf('/')))
    directories.push(base + rest);
  return [...directories, base];
}

function probe(directory: string): string | undefined {
  try {
    closeSync(openAgentFile(`${directory}/cgroup.procs`, true));
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? 'unknown';
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SpillwayError('read', `${path} cannot be read (${errnoOf(error) ?? 'unknown error'})`, {
      cause: error,
    });
  }
}
