import { SpillwayError } from '../lib/errors.ts';

/** The fields of `/proc/PID/stat` that are used here; the numbers in brackets are proc(5)'s. */
export interface ProcStat {
  /** (2) The kernel's name of the process, at most 15 bytes; may hold spaces and parentheses. */
  comm: string;
  /** (3) `R`, `S`, `D`, `T`, …; `Z` for a zombie, `X` for a dead process. */
  state: string;
  /** (4) 0 when the parent is outside this process namespace. */
  ppid: number;
  /** (5) Process group. */
  processGroup: number;
  /** (8) Foreground process group of its controlling terminal; -1 when it has no terminal. */
  foregroundGroup: number;
  /** (9) Whether the flags name it a thread of the kernel (`PF_KTHREAD`). */
  kernelThread: boolean;
  /** On its way out: what it holds is being returned. */
  exiting: boolean;
  /** (14 + 15) CPU used in user and kernel mode, in clock ticks. */
  cpuTicks: number;
  /** (20) 1 for a zombie none of whose threads is left. */
  threads: number;
  /** (22) Start in clock ticks since boot: with the pid, it names a process for good. */
  startTime: number;
  /** (24) Resident pages. */
  rssPages: number;
  /** (52) Wait status of a zombie; the kernel says 0 to those who may not look. */
  exitStatus: number;
}

const PF_KTHREAD = 0x0020_0000;
const PF_EXITING = 0x4;

/**
 * Parses `PID (COMM) STATE PPID …`: one line, 52 numbers since Linux 3.5. COMM is chosen by the process and may hold
 * anything, so only the last `)` ends it.
 * @throws {SpillwayError} `malformed`, naming `file`
 */
export function parseStat(text: string, file: string): ProcStat {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text
    .slice(close + 2)
    .trimEnd()
    .split(' ');
  const at = (field: number): number => {
    const value = fields[field - 3];
    if (value === undefined || !/^-?\d+$/.test(value))
      throw malformed(file, `field ${field} is ${value ?? 'missing'}`);
    return Number(value);
  };
  if (open < 0 || close < open || !/^[A-Za-z]$/.test(fields[0] ?? ''))
    throw malformed(file, 'no name and state');
  return {
    comm: text.slice(open + 1, close),
    state: fields[0] ?? '',
    ppid: at(4),
    processGroup: at(5),
    foregroundGroup: at(8),
    kernelThread: (at(9) & PF_KTHREAD) !== 0,
    exiting: (at(9) & PF_EXITING) !== 0,
    cpuTicks: at(14) + at(15),
    threads: at(20),
    startTime: at(22),
    rssPages: at(24),
    exitStatus: fields.length > 49 ? at(52) : 0,
  };
}

/** Whether the process has ended: a zombie without living threads, or dead. */
export function hasEnded(stat: Pick<ProcStat, 'state' | 'threads'>): boolean {
  return (stat.state === 'Z' && stat.threads <= 1) || stat.state === 'X' || stat.state === 'x';
}

/** One size of `/proc/PID/status` (`VmRSS`, `RssFile`, `RssShmem`) in bytes; 0 when the line is missing, as in a zombie. */
export function statusBytes(text: string, key: string): number {
  const line = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text);
  return line ? Number(line[1]) * 1024 : 0;
}

/** A pid as its own PID namespace knows it: `NSpid` of `/proc/PID/status`, one number for each namespace, the innermost last. */
export function innerPid(status: string): number | undefined {
  const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1];
  return numbers === undefined ? undefined : Number(numbers.split(/\s+/).at(-1));
}

/** Free swap in bytes, from `/proc/swaps`: a head line, then `NAME TYPE SIZE USED PRIORITY` in KiB; names hold no spaces. */
export function swapFreeBytes(text: string): number {
  const devices = text.matchAll(/^\S+\s+(?:partition|file)\s+(\d+)\s+(\d+)\s/gm);
  return [...devices].reduce(
    (sum, [, size, used]) => sum + Math.max(0, Number(size) - Number(used)) * 1024,
    0,
  );
}

/** The arguments in `/proc/PID/cmdline`; none for zombies and threads of the kernel. */
export function parseCmdline(text: string): string[] {
  const trimmed = text.replace(/\0+$/, '');
  return trimmed === '' ? [] : trimmed.split('\0');
}

function malformed(file: string, what: string): SpillwayError {
  return new SpillwayError('malformed', `${file} is not a process status: ${what}`);
}
