import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { errnoOf, SpillwayError } from '../core/errors.ts';

/** What a look at a process gives: the value, or why there is none. Everything else that goes wrong throws. */
export type Outcome<T> = { kind: 'value'; value: T } | { kind: 'gone' } | { kind: 'denied' };

/** The fields of `/proc/PID/stat` that are used here; the numbers in brackets are proc(5)'s. */
export interface ProcStat {
  /** (2) The kernel's name of the process, at most 15 bytes; may hold spaces and parentheses. */
  comm: string;
  /** (3) `R`, `S`, `D`, `T`, …; `Z` for a zombie, `X` for a dead process. */
  state: string;
  /** (4) 0 when the parent is outside this process namespace. */
  ppid: number;
  /** (9) Whether the flags name it a thread of the kernel (`PF_KTHREAD`). */
  kernelThread: boolean;
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

/** No file read here is larger on a sane system; a longer command line is cut. */
const MAX_BYTES = 32 * 1024;
const PF_KTHREAD = 0x0020_0000;
const buffer = Buffer.allocUnsafe(MAX_BYTES);

/**
 * Text of a file under `/proc`, cut at 32 KiB. An empty file of a process is no answer yet and counts as a value.
 * @throws {SpillwayError} `read` for anything but a process that is gone or denied
 */
export function readProc(file: string): Outcome<string> {
  return attempt(file, () => {
    const fd = openSync(file, 'r');
    try {
      let length = 0;
      while (length < MAX_BYTES) {
        const count = readSync(fd, buffer, length, MAX_BYTES - length, length);
        if (count === 0) break;
        length += count;
      }
      return buffer.toString('utf8', 0, length);
    } finally {
      closeSync(fd);
    }
  });
}

/**
 * The pids listed in `/proc`, in its order.
 * @throws {SpillwayError} `read` when `/proc` itself cannot be listed
 */
export function listPids(procRoot: string): number[] {
  const listed = attempt(procRoot, () => readdirSync(procRoot));
  if (listed.kind !== 'value')
    throw new SpillwayError('read', `${procRoot} cannot be listed`, { mend: 'mount proc there' });
  return listed.value.map(Number).filter((pid) => Number.isInteger(pid) && pid > 0);
}

/** `/proc/PID/stat`, parsed. */
export function readStat(procRoot: string, pid: number): Outcome<ProcStat> {
  const file = `${procRoot}/${pid}/stat`;
  const read = readProc(file);
  if (read.kind !== 'value') return read;
  return read.value === '' ? { kind: 'gone' } : { kind: 'value', value: parseStat(read.value, file) };
}

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
    kernelThread: (at(9) & PF_KTHREAD) !== 0,
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

/** The arguments in `/proc/PID/cmdline`; none for zombies and threads of the kernel. */
export function parseCmdline(text: string): string[] {
  const trimmed = text.replace(/\0+$/, '');
  return trimmed === '' ? [] : trimmed.split('\0');
}

/**
 * The cgroup that memory is charged to, from `/proc/PID/cgroup`: the path of the v1 line with the memory controller
 * (also on a hybrid host), else of the `0::` line of v2, else the whole text.
 */
export function memoryGroupOf(text: string): string {
  let unified: string | undefined;
  for (const line of text.split('\n')) {
    const [, id, controllers, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (controllers?.split(',').includes('memory')) return path;
    if (id === '0') unified = path;
  }
  return unified ?? text.trim();
}

/**
 * Direct children of a process, those of all its threads. `undefined` when this kernel has no `children` files
 * (built without CONFIG_PROC_CHILDREN); empty when the process is gone.
 */
export function readChildren(procRoot: string, pid: number, threads: number): number[] | undefined {
  const tasks = `${procRoot}/${pid}/task`;
  const tids = threads === 1 ? undefined : attempt(tasks, () => readdirSync(tasks));
  const children: number[] = [];
  for (const tid of tids?.kind === 'value' ? tids.value : [String(pid)]) {
    const read = readProc(`${tasks}/${tid}/children`);
    if (read.kind === 'value') {
      for (const child of read.value.split(' ')) if (Number(child) > 0) children.push(Number(child));
    } else if (read.kind === 'gone' && existsSync(`${tasks}/${tid}/stat`)) return undefined;
  }
  return children;
}

/**
 * Bytes per page: how many bytes of this process' `VmRSS` come to one page of its `statm`, to the nearest power of two
 * (the two files are not read at one moment). 4,096 where they cannot be read.
 */
export function pageBytesOf(procRoot: string): number {
  const status = readProc(`${procRoot}/self/status`);
  const statm = readProc(`${procRoot}/self/statm`);
  if (status.kind !== 'value' || statm.kind !== 'value') return 4096;
  const bytes = statusBytes(status.value, 'VmRSS') / Number(statm.value.split(' ')[1]);
  return bytes >= 2048 && bytes <= 2 ** 20 ? 2 ** Math.round(Math.log2(bytes)) : 4096;
}

function attempt<T>(file: string, read: () => T): Outcome<T> {
  try {
    return { kind: 'value', value: read() };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ESRCH' || errno === 'ENOTDIR') return { kind: 'gone' };
    if (errno === 'EACCES' || errno === 'EPERM') return { kind: 'denied' };
    throw new SpillwayError('read', `${file} cannot be read: ${errno ?? String(error)}`, { cause: error });
  }
}

function malformed(file: string, what: string): SpillwayError {
  return new SpillwayError('malformed', `${file} is not a process status: ${what}`);
}
