import { readlinkSync } from 'node:fs';
import { SpillwayError } from '../../core/lib/errors.ts';
import { hasEnded } from '../../core/proc/proc-text.ts';
import { readProc, readStat } from '../proc-fs.ts';
import { baseName } from '../process-table.ts';

/** Bit of signal 10 in `SigCgt`. */
const SIGUSR1_BIT = 1n << 9n;
/** Clock ticks in a second of `/proc`: USER_HZ, 100 on every Linux that runs Node. */
const TICKS_PER_SECOND = 100;
/** Node dies of SIGUSR1 in its first 60 ms or so; with a tenfold margin for a slow machine. */
const MIN_AGE_MS = 600;

/**
 * Why SIGUSR1 must not be sent to this process, or nothing when Node's own handler, or one of the program, will take it.
 * Only a process that runs Node, catches the signal, has left its start behind and is still the one that was meant gets
 * it: any other would die of it. Reads only, without a pause: send right after it.
 * @param startTime field 22 of `stat`, as found with the pid
 */
export function signalObstacle(procRoot: string, pid: number, startTime: number): SpillwayError | undefined {
  const exe = executable(`${procRoot}/${pid}/exe`);
  if (exe instanceof SpillwayError) return exe;
  if (!/^node(?:js)?[\d.]*$/.test(exe))
    return new SpillwayError('refused', `process ${pid} runs ${exe}, not Node`);
  const ageMs = ageOf(procRoot, startTime);
  if (ageMs === undefined || ageMs < MIN_AGE_MS)
    return new SpillwayError('refused', `process ${pid} has just started`, { retryable: true });
  const stat = readStat(procRoot, pid);
  if (stat.kind !== 'value' || hasEnded(stat.value) || stat.value.startTime !== startTime)
    return new SpillwayError('refused', `process ${pid} has ended`);
  if (/[TtZ]/.test(stat.value.state))
    return new SpillwayError('refused', `process ${pid} is stopped (${stat.value.state})`, {
      retryable: true,
    });
  // last, so that as little time as can be passes between this look and the signal
  if (catchesSigusr1(procRoot, pid)) return undefined;
  return new SpillwayError(
    'refused',
    `process ${pid} does not catch SIGUSR1, the signal for Node's inspector`,
    {
      hint: 'start the agent with --inspect, or without --disable-sigusr1 and --permission',
    },
  );
}

function executable(link: string): string | SpillwayError {
  try {
    return baseName(readlinkSync(link).replace(/ \(deleted\)$/, ''));
  } catch (cause) {
    return new SpillwayError('refused', `${link} is not readable: its program is unknown`, {
      hint: 'run the guardian with the uid and gid of the agent',
      cause,
    });
  }
}

function ageOf(procRoot: string, startTime: number): number | undefined {
  const uptime = readProc(`${procRoot}/uptime`);
  if (uptime.kind !== 'value') return undefined;
  return (Number.parseFloat(uptime.value) - startTime / TICKS_PER_SECOND) * 1000;
}

function catchesSigusr1(procRoot: string, pid: number): boolean {
  const status = readProc(`${procRoot}/${pid}/status`);
  const mask = status.kind === 'value' ? /^SigCgt:\s*([\da-f]+)$/m.exec(status.value)?.[1] : undefined;
  return mask !== undefined && (BigInt(`0x${mask}`) & SIGUSR1_BIT) !== 0n;
}
