import type { HookHello } from '../../core/model/hook-messages.ts';
import { hasEnded, innerPid } from '../../core/proc/proc-text.ts';
import { listPids, readProc, readStat } from '../proc-fs.ts';

/** More generations than a process has. */
const MOST_GENERATIONS = 100;

/**
 * The process that a hook says it is: the one that has this pid in its own PID namespace and started in this very clock tick.
 * @returns its pid as seen from here; `undefined` where there is none, or it is hidden
 */
export function findPeer(procRoot: string, { pid, start }: HookHello): number | undefined {
  return listPids(procRoot).find((each) => {
    const stat = readStat(procRoot, each);
    if (stat.kind !== 'value' || stat.value.startTime !== start || hasEnded(stat.value)) return false;
    return innerPidOf(procRoot, each) === pid;
  });
}

/** A pid as the process itself knows it; `undefined` when it is gone. */
export function innerPidOf(procRoot: string, pid: number): number | undefined {
  const status = readProc(`${procRoot}/${pid}/status`);
  return status.kind === 'value' ? innerPid(status.value) : undefined;
}

/** Whether a process is another, or descends from it. */
export function isWithin(procRoot: string, pid: number, ancestor: number): boolean {
  for (let at = pid, left = MOST_GENERATIONS; at > 0 && left > 0; left--) {
    if (at === ancestor) return true;
    const stat = readStat(procRoot, at);
    if (stat.kind !== 'value') return false;
    at = stat.value.ppid;
  }
  return false;
}
