import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf, SpillwayError } from '../core/lib/errors.ts';
import { hasEnded, parseStat } from '../core/proc/proc-text.ts';
import { readStat } from './proc-fs.ts';

/** Watches one process without a parent's rights. */
export interface AliveWatch {
  /**
   * Whether the process still runs. A zombie does not. `false` is final. About 1 µs.
   * @throws {SpillwayError} `read` when the kernel answers with anything but the state or "gone"
   */
  alive(): boolean;
  close(): void;
}

/** How a process ended, as Node reports it for a child: one of the two is null. */
export interface ExitStatus {
  code: number | null;
  signal: string | null;
}

const ZERO = 0x30;

/**
 * Keeps `/proc/PID/statm` and `stat` of a process open: an open file stays with the process it was opened for, so a pid
 * that is used again is not taken for it. `statm` reads as zeros once the memory is returned, then `stat` decides.
 * @param startTime as found with the pid; a process with another start is not the one meant and counts as ended
 */
export function watchAlive(procRoot: string, pid: number, startTime?: number): AliveWatch {
  const buffer = Buffer.alloc(4096);
  let fds = open(`${procRoot}/${pid}`);

  const text = (fd: number) => buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
  const state = (stat: number) => parseStat(text(stat), `${procRoot}/${pid}/stat`);
  const close = () => {
    for (const fd of fds ?? []) closeSync(fd);
    fds = undefined;
  };
  const look = (ended: (stat: number, statm: number) => boolean): boolean => {
    if (!fds) return false;
    try {
      if (!ended(...fds)) return true;
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw asReadError(error, `${procRoot}/${pid}`);
    }
    close();
    return false;
  };

  look((stat) => {
    const now = state(stat);
    return hasEnded(now) || (startTime !== undefined && now.startTime !== startTime);
  });
  return {
    close,
    alive: () =>
      look((stat, statm) => {
        const count = readSync(statm, buffer, 0, 64, 0);
        return count === 0 || (buffer[0] === ZERO && hasEnded(state(stat)));
      }),
  };
}

/**
 * How a process ended whose parent has not taken note yet. `undefined` when it is not a zombie (any more), or when the
 * kernel does not tell: without the right to look (same uid and gid) it shows 0, which proves nothing.
 */
export function exitCodeFromZombie(procRoot: string, pid: number): ExitStatus | undefined {
  const read = readStat(procRoot, pid);
  if (read.kind !== 'value' || !hasEnded(read.value)) return undefined;
  const { exitStatus } = read.value;
  if (exitStatus === 0 && isDenied(`${procRoot}/${pid}/exe`)) return undefined;
  const number = exitStatus & 0x7f;
  if (number === 0) return { code: (exitStatus >> 8) & 0xff, signal: null };
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return { code: null, signal: name ?? `SIG${number}` };
}

/** The link is guarded by the same right as the status; of a zombie it is missing, to those who may look. */
function isDenied(link: string): boolean {
  try {
    readlinkSync(link);
    return false;
  } catch (error) {
    return errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM';
  }
}

function open(folder: string): [stat: number, statm: number] | undefined {
  let stat: number | undefined;
  try {
    stat = openSync(`${folder}/stat`, 'r');
    return [stat, openSync(`${folder}/statm`, 'r')];
  } catch (error) {
    if (stat !== undefined) closeSync(stat);
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw asReadError(error, folder);
  }
}

function asReadError(error: unknown, file: string): SpillwayError {
  if (error instanceof SpillwayError) return error;
  return new SpillwayError('read', `${file} cannot be read: ${errnoOf(error) ?? String(error)}`, {
    cause: error,
  });
}
