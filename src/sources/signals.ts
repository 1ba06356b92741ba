import { constants } from 'node:os';
import { readProc, readStat } from './proc-fs.ts';

/** Whether a process has a handler for a signal: its bit in `SigCgt` of `/proc/PID/status`. False when that cannot be read. */
export function catchesSignal(procRoot: string, pid: number, signal: number): boolean {
  return has(procRoot, pid, /^SigCgt:\s*([\da-f]+)$/m, signal);
}

/** Whether a process that still runs was killed already: SIGKILL waits for it, or it is on its way out. False when that cannot be read. */
export function isDying(procRoot: string, pid: number): boolean {
  if (has(procRoot, pid, /^SigPnd:\s*([\da-f]+)$/m, constants.signals.SIGKILL)) return true;
  const stat = readStat(procRoot, pid);
  return stat.kind === 'value' && stat.value.exiting;
}

function has(procRoot: string, pid: number, set: RegExp, signal: number): boolean {
  const status = readProc(`${procRoot}/${pid}/status`);
  const mask = status.kind === 'value' ? set.exec(status.value)?.[1] : undefined;
  return mask !== undefined && (BigInt(`0x${mask}`) & (1n << BigInt(signal - 1))) !== 0n;
}
