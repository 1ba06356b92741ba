import { readProc } from './proc-fs.ts';

/** Whether a process has a handler for a signal: its bit in `SigCgt` of `/proc/PID/status`. False when that cannot be read. */
export function catchesSignal(procRoot: string, pid: number, signal: number): boolean {
  const status = readProc(`${procRoot}/${pid}/status`);
  const mask = status.kind === 'value' ? /^SigCgt:\s*([\da-f]+)$/m.exec(status.value)?.[1] : undefined;
  return mask !== undefined && (BigInt(`0x${mask}`) & (1n << BigInt(signal - 1))) !== 0n;
}
