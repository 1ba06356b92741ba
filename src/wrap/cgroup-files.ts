import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, messageOf, SpillwayError } from '../core/lib/errors.ts';

/** Time that killed processes get to leave a group: a large one returns its memory first. */
const REMOVE_MS = 5000;
const POLL_MS = 10;

/** Writes one value to a file of a cgroup. Never creates: on cgroupfs that says EACCES where ENOENT is meant. */
export function writeControl(directory: string, file: string, value: string | number): void {
  const fd = openSync(join(directory, file), constants.O_WRONLY);
  try {
    writeSync(fd, String(value));
  } finally {
    closeSync(fd);
  }
}

/** The words in a file of a cgroup; none when there is no such file or group. */
export function readWords(directory: string, file: string): string[] {
  try {
    return readFileSync(join(directory, file), 'utf8').split(/\s+/).filter(Boolean);
  } catch {
    return []; // the file of another version, or a group that went away: there is nothing in it
  }
}

/** The groups directly inside. */
export function groupsIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [join(directory, entry.name)] : [],
    );
  } catch {
    return [];
  }
}

/** The processes in a group and in all groups within it. Those outside the pid namespace, listed as 0, are left out. */
export function pidsInGroup(directory: string): number[] {
  const own = readWords(directory, 'cgroup.procs')
    .map(Number)
    .filter((pid) => pid > 0);
  return [...own, ...groupsIn(directory).flatMap(pidsInGroup)];
}

/**
 * Kills what is left in a group (never the caller itself) and removes it with all groups within it.
 * @returns how many processes were found in it; 0 also when the group is already gone
 * @throws SpillwayError `unavailable` when it is still there after 5 s
 */
export async function removeGroup(directory: string): Promise<number> {
  const killed = new Set<number>();
  const giveUpAt = performance.now() + REMOVE_MS;
  for (;;) {
    const pids = pidsInGroup(directory);
    const others = pids.filter((pid) => pid !== process.pid);
    for (const pid of others) killed.add(pid);
    if (others.length > 0) killAll(directory, others, pids.length > others.length);
    try {
      removeTree(directory);
      return killed.size;
    } catch (thrown) {
      if (performance.now() > giveUpAt)
        throw new SpillwayError(
          'unavailable',
          `cannot remove the cgroup ${directory}: ${messageOf(thrown)}`,
          {
            hint: `end the processes in ${directory}/cgroup.procs, then: rmdir ${directory}`,
            cause: thrown,
          },
        );
    }
    await sleep(POLL_MS); // EBUSY: the killed are still on their way out
  }
}

function killAll(directory: string, pids: number[], callerIsInside: boolean): void {
  // One write kills all at once, so that none can fork its way out (version 2, Linux 5.14); it would kill the caller too.
  if (!callerIsInside && existsSync(join(directory, 'cgroup.kill'))) {
    try {
      writeControl(directory, 'cgroup.kill', 1);
      return;
    } catch {
      // Not ours to write: one by one then.
    }
  }
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile, or another user's: the removal tells.
    }
  }
}

function removeTree(directory: string): void {
  for (const inner of groupsIn(directory)) removeTree(inner);
  try {
    rmdirSync(directory);
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
  }
}
