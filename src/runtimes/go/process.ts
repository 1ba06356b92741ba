import { readFileSync, readlinkSync } from 'node:fs';
import { parseCmdline, parseStat } from '../../core/proc/proc-text.ts';

/** Of the times in `/proc/PID/stat`, the same on every architecture that runs Node (`USER_HZ`). */
const TICKS_PER_SECOND = 100;

/** Clock ticks since boot at which a process started; `undefined` when it is gone. */
export function startTimeOf(procRoot: string, pid: number): number | undefined {
  const file = `${procRoot}/${pid}/stat`;
  try {
    return parseStat(readFileSync(file, 'utf8'), file).startTime;
  } catch {
    return undefined;
  }
}

/** Milliseconds since a process started. */
export function ageMs(procRoot: string, pid: number): number | null {
  const startTime = startTimeOf(procRoot, pid);
  if (startTime === undefined) return null;
  const uptimeS = Number(readFileSync(`${procRoot}/uptime`, 'utf8').split(' ')[0]);
  return Math.round((uptimeS - startTime / TICKS_PER_SECOND) * 1000);
}

/** `GOMEMLIMIT` of a process' environment. */
export function memoryLimitOf(procRoot: string, pid: number): string | undefined {
  try {
    const entries = parseCmdline(readFileSync(`${procRoot}/${pid}/environ`, 'utf8'));
    return entries.find((entry) => entry.startsWith('GOMEMLIMIT='))?.slice('GOMEMLIMIT='.length);
  } catch {
    return undefined; // the hint is then the general one
  }
}

/** Where a link leads; `undefined` where that may not be seen. */
export function linkOf(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}
