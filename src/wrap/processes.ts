import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasEnded, parseStat } from '../core/proc/proc-text.ts';

/** Environment variable by which every process of one run is recognised, whatever its parent is by now. */
export const RUN_VARIABLE = 'SPILLWAY_RUN';

/** One process, told apart from a later one with the same number by `startTicks`. */
export interface ProcessEntry {
  pid: number;
  parentPid: number;
  /** Process group. */
  group: number;
  /** Foreground process group of its controlling terminal; -1 when it has no terminal. */
  foregroundGroup: number;
  /** Clock ticks from boot to its start; 0 where the system does not tell (no `/proc`). */
  startTicks: number;
}

/** The living process with this number, or `undefined`; one that has ended and is only not yet collected is dead. */
export function readProcess(pid: number | 'self', procRoot = '/proc'): ProcessEntry | undefined {
  try {
    const file = join(procRoot, String(pid), 'stat');
    const text = readFileSync(file, 'utf8');
    const stat = parseStat(text, file);
    if (hasEnded(stat)) return undefined;
    const { ppid: parentPid, processGroup: group, foregroundGroup, startTime: startTicks } = stat;
    return { pid: Number.parseInt(text, 10), parentPid, group, foregroundGroup, startTicks };
  } catch {
    return undefined; // it ended, or there is no /proc: both mean that nothing can be said about it
  }
}

/** Every living process: from `/proc`, or from `ps` where there is none (macOS). */
export function listProcesses(procRoot = '/proc'): Map<number, ProcessEntry> {
  const entries = hasProc(procRoot) ? pidsIn(procRoot).map((pid) => readProcess(pid, procRoot)) : listByPs();
  return new Map(entries.flatMap((entry) => (entry ? [[entry.pid, entry] as const] : [])));
}

/** Which processes are marked with the run's variable. Those whose environment may not be read are left out. */
export function pidsOfRun(runId: string, procRoot = '/proc'): number[] {
  const mark = `${RUN_VARIABLE}=${runId}`;
  if (!hasProc(procRoot))
    return ps(['-axEww', '-o', 'pid=,command='])
      .filter((line) => line.includes(mark))
      .map((line) => Number.parseInt(line, 10));
  return pidsIn(procRoot).filter((pid) => {
    try {
      return readFileSync(join(procRoot, String(pid), 'environ'), 'latin1')
        .split('\0')
        .includes(mark);
    } catch {
      return false;
    }
  });
}

/** `seeds` and everything that descends from them. */
export function withDescendants(seeds: Iterable<number>, table: Map<number, ProcessEntry>): Set<number> {
  const found = new Set([...seeds].filter((pid) => table.has(pid)));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parentPid } of table.values()) if (found.has(parentPid)) found.add(pid);
  }
  return found;
}

function hasProc(procRoot: string): boolean {
  try {
    return readFileSync(join(procRoot, 'self/stat'), 'utf8') !== '';
  } catch {
    return false;
  }
}

function pidsIn(procRoot: string): number[] {
  return readdirSync(procRoot)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function listByPs(): (ProcessEntry | undefined)[] {
  return ps(['-axo', 'pid=,ppid=,pgid=,tpgid=,stat=']).map((line) => {
    const fields = line.trim().split(/\s+/);
    const [pid = 0, parentPid = 0, group = 0, foregroundGroup = -1] = fields.slice(0, 4).map(Number);
    const state = fields[4] ?? '';
    return state.startsWith('Z') ? undefined : { pid, parentPid, group, foregroundGroup, startTicks: 0 };
  });
}

function ps(args: string[]): string[] {
  try {
    const output = execFileSync('ps', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    });
    return output.split('\n').filter((line) => line.trim() !== '');
  } catch {
    return []; // without ps nothing can be found; the command itself is still waited for
  }
}
