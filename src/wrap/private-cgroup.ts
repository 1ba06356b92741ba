import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import { formatBytes } from '../core/lib/units.ts';
import { groupsIn, pidsInGroup, readWords, removeGroup, writeControl } from './cgroup-files.ts';
import { locateMemoryCgroup, type MemoryCgroup, upwards } from './cgroup-place.ts';
import { isBelowInit } from './init.ts';
import { isOrphaned, ownerName } from './owner.ts';

/** A memory cgroup of the run's own, with the limit set. */
export interface PrivateCgroup {
  readonly version: 1 | 2;
  readonly directory: string;
  readonly limitBytes: number;
  /** The group the guardian had to step into to make room (version 2), and the one it came from. */
  readonly stepped: { leaf: string; from: string } | undefined;
  /**
   * Runs `start` while the guardian is in the group, so that a process forked by it is born there.
   * @returns its value, and the problem in words when the guardian could not leave the group again
   * @throws SpillwayError `unavailable` when the guardian cannot enter; whatever `start` throws
   */
  spawnInside<T>(start: () => T): { value: T; problem?: string };
  pids(): number[];
  /**
   * Kills what is left inside, removes the group and takes back every change made to its surroundings.
   * @throws SpillwayError `unavailable` when the group is still there after 5 s
   */
  remove(): Promise<void>;
}

export interface PrivateCgroupOptions {
  limitBytes: number;
  /** Default `/proc`. The cgroup mounts are found in its `self/mountinfo`. */
  procRoot?: string;
}

/** Below this no program gets as far as its `main`: fork and exec alone charge some 100 KiB of page tables and stacks. */
export const SMALLEST_LIMIT_BYTES = 4 * 1024 * 1024;
const LEAF = 'spillway-guardian';
const RETURN_TRIES = 50;
const HINT =
  'run as root or under: systemd-run --user --scope -p Delegate=yes spillway run …; without a cgroup the limit is monitored, not enforced';

/**
 * Makes a memory cgroup for the command where this process may. Version 1: inside its own group. Version 2: inside its own
 * group when it is alone there (a group with limited children holds no processes, so it steps into a leaf first), else
 * inside the nearest group above that lets it. Swap is closed so that the limit is met and not evaded; `memory.oom.group`
 * stays 0, so that a tool's death need not be the agent's. Entering and leaving are tried here, before anything depends on it.
 * @returns no group, and the reason for each place tried, when there is none
 */
export function makePrivateCgroup({ limitBytes, procRoot = '/proc' }: PrivateCgroupOptions): {
  group: PrivateCgroup | undefined;
  reasons: string[];
} {
  const none = (...reasons: string[]) => ({ group: undefined, reasons: [...reasons, HINT] });
  if (limitBytes < SMALLEST_LIMIT_BYTES)
    return none(
      `${formatBytes(limitBytes)} is too small to start a program: the minimum is ${formatBytes(SMALLEST_LIMIT_BYTES)}`,
    );
  const home = ownCgroup(procRoot);
  if (typeof home === 'string') return none(home);
  const name = ownerName(procRoot);
  if (!name) return none(`${procRoot}/self cannot be read`);
  const reasons: string[] = [];
  for (const parent of home.version === 1 ? [home.directory] : upwards(home)) {
    const made = makeIn(parent, home, name, limitBytes);
    if (typeof made !== 'string') return { group: made, reasons };
    reasons.push(`${parent}: ${made}`);
    const outer = home.version === 2 ? Number(readWords(parent, 'memory.max')[0]) : Number.NaN;
    if (outer < limitBytes) {
      reasons.push(`above ${parent} the command would escape its limit of ${formatBytes(outer)}`);
      break;
    }
  }
  return none(...reasons);
}

/**
 * Removes groups left behind in the places where {@link makePrivateCgroup} works: named after a guardian of this pid
 * namespace that no longer lives. What still runs in them is killed.
 * @returns for the log, one sentence for each
 */
export async function sweepStale({ procRoot = '/proc' }: { procRoot?: string } = {}): Promise<string[]> {
  const home = ownCgroup(procRoot);
  if (typeof home === 'string') return [];
  const cleaned: string[] = [];
  for (const parent of home.version === 1 ? [home.directory] : upwards(home)) {
    for (const directory of groupsIn(parent).filter((group) => isOrphaned(basename(group), procRoot))) {
      try {
        const killed = await removeGroup(directory);
        stepBack(parent, false);
        cleaned.push(`removed the cgroup ${directory} of a killed guardian, with ${killed} processes in it`);
      } catch (thrown) {
        cleaned.push(messageOf(thrown));
      }
    }
  }
  return cleaned;
}

/** @returns why not, in words, when no group can be made here; nothing is left changed then */
function makeIn(
  parent: string,
  home: MemoryCgroup,
  name: string,
  limitBytes: number,
): PrivateCgroup | string {
  const { version } = home;
  const directory = join(parent, name);
  const leaf = join(parent, LEAF);
  const makeRoom = version === 2 && parent === home.directory && existsSync(join(parent, 'cgroup.type')); // the root group has no type and may hold both
  const pids = makeRoom ? readWords(parent, 'cgroup.procs').map(Number) : [];
  const own = [process.pid, ...(isBelowInit() ? [1] : [])];
  const others = pids.filter((pid) => !own.includes(pid));
  if (others.length > 0) return `the guardian is not alone in it (other processes: ${others.join(', ')})`;
  if (version === 2 && !readWords(parent, 'cgroup.controllers').includes('memory'))
    return 'it has no memory controller';
  const enables = version === 2 && !readWords(parent, 'cgroup.subtree_control').includes('memory');
  try {
    if (makeRoom) {
      mkdirSync(leaf);
      for (const pid of pids) writeControl(leaf, 'cgroup.procs', pid);
    }
    if (enables) writeControl(parent, 'cgroup.subtree_control', '+memory');
    mkdirSync(directory);
    setLimit(directory, version, limitBytes);
    const back = makeRoom ? leaf : home.directory;
    const spawnInside = <T>(start: () => T) => visit(directory, back, start);
    const { problem } = spawnInside(() => undefined);
    if (problem) throw new Error(problem);
    return {
      version,
      directory,
      limitBytes,
      stepped: makeRoom ? { leaf, from: parent } : undefined,
      spawnInside,
      pids: () => pidsInGroup(directory),
      async remove() {
        leave(directory, back);
        await removeGroup(directory);
        if (version === 2) stepBack(parent, enables);
      },
    };
  } catch (thrown) {
    if (existsSync(directory)) attempt(() => rmdirSync(directory));
    if (version === 2) stepBack(parent, enables);
    return messageOf(thrown);
  }
}

function setLimit(directory: string, version: 1 | 2, limitBytes: number): void {
  const has = (file: string) => existsSync(join(directory, file));
  if (version === 2) {
    writeControl(directory, 'memory.max', limitBytes);
    if (has('memory.swap.max')) writeControl(directory, 'memory.swap.max', 0);
    return;
  }
  writeControl(directory, 'memory.limit_in_bytes', limitBytes);
  // memory + swap may not be set below memory, hence second; without swap accounting, swapping is only discouraged
  if (has('memory.memsw.limit_in_bytes')) writeControl(directory, 'memory.memsw.limit_in_bytes', limitBytes);
  else writeControl(directory, 'memory.swappiness', 0);
}

function visit<T>(directory: string, back: string, start: () => T): { value: T; problem?: string } {
  try {
    writeControl(back, 'cgroup.procs', process.pid); // a move to where it is: proves that the way back is open
    writeControl(directory, 'cgroup.procs', process.pid);
  } catch (thrown) {
    throw new SpillwayError('unavailable', `cannot enter the cgroup ${directory}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
  let problem: string | undefined;
  let value: T;
  try {
    value = start();
  } finally {
    problem = leave(directory, back);
  }
  return problem ? { value, problem } : { value };
}

/** @returns the problem in words when the guardian is still in the group after many tries */
function leave(directory: string, back: string): string | undefined {
  for (let tries = 1; readWords(directory, 'cgroup.procs').includes(String(process.pid)); tries++) {
    try {
      writeControl(back, 'cgroup.procs', process.pid);
    } catch (thrown) {
      if (tries === RETURN_TRIES)
        return `the guardian could not leave the cgroup ${directory} and shares the command's limit: ${messageOf(thrown)}`;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2); // no other work may run meanwhile: its memory would be charged here
    }
  }
  return undefined;
}

/**
 * Takes back what was done to the parent, once no group is left in it: only without limited children may it hold processes
 * again. With another group beside, the memory controller stays on, as that group lives by it.
 */
function stepBack(parent: string, enabled: boolean): void {
  const leaf = join(parent, LEAF);
  const stepped = existsSync(leaf);
  if (groupsIn(parent).some((group) => group !== leaf)) return;
  if (stepped || enabled) attempt(() => writeControl(parent, 'cgroup.subtree_control', '-memory'));
  if (!stepped) return;
  for (const pid of pidsInGroup(leaf)) attempt(() => writeControl(parent, 'cgroup.procs', pid));
  attempt(() => rmdirSync(leaf));
}

function ownCgroup(procRoot: string): MemoryCgroup | string {
  try {
    return locateMemoryCgroup(
      readFileSync(join(procRoot, 'self/cgroup'), 'utf8'),
      readFileSync(join(procRoot, 'self/mountinfo'), 'utf8'),
    );
  } catch (thrown) {
    return `this system has no cgroups: ${messageOf(thrown)}`;
  }
}

/** For undoing: what cannot be undone is found by the next sweep. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // see above
  }
}
