import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { errnoOf, SpillwayError } from '../core/lib/errors.ts';
import { type ProcStat, parseStat, statusBytes } from '../core/proc/proc-text.ts';

/** What a look at a process gives: the value, or why there is none. Everything else that goes wrong throws. */
export type Outcome<T> = { kind: 'value'; value: T } | { kind: 'gone' } | { kind: 'denied' };

/** No file read here is larger on a sane system; a longer command line is cut. */
const MAX_BYTES = 32 * 1024;
const buffer = Buffer.allocUnsafe(MAX_BYTES);

/**
 * Text of a file under `/proc`, cut at 32 KiB. An empty file of a process is no answer yet and counts as a value.
 * @param records `one`: the kernel gives the whole file at the first read, and no second one has to find its end
 * @throws {SpillwayError} `read` for anything but a process that is gone or denied
 */
export function readProc(file: string, records: 'one' | 'many' = 'many'): Outcome<string> {
  return attempt(file, () => {
    const fd = openSync(file, 'r');
    try {
      let length = 0;
      while (length < MAX_BYTES) {
        const count = readSync(fd, buffer, length, MAX_BYTES - length, length);
        if (count === 0) break;
        length += count;
        if (records === 'one') break;
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
    throw new SpillwayError('read', `${procRoot} cannot be listed`, { hint: 'mount proc there' });
  return listed.value.map(Number).filter((pid) => Number.isInteger(pid) && pid > 0);
}

/** The pid that was given out last: while it stays, no process has been started. `undefined` where the kernel does not tell. */
export function lastPid(procRoot: string): number | undefined {
  const read = readProc(`${procRoot}/loadavg`, 'one');
  const pid = read.kind === 'value' ? Number(read.value.trim().split(' ')[4]) : Number.NaN;
  return Number.isInteger(pid) && pid > 0 ? pid : undefined; // gVisor always says 0
}

/** `/proc/PID/stat`, parsed. */
export function readStat(procRoot: string, pid: number): Outcome<ProcStat> {
  const file = `${procRoot}/${pid}/stat`;
  const read = readProc(file, 'one');
  if (read.kind !== 'value') return read;
  return read.value === '' ? { kind: 'gone' } : { kind: 'value', value: parseStat(read.value, file) };
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

/** By how many thousandths of the limit the OOM killer takes a process for bigger than it is (proc(5)); 0 where it cannot be read. */
export function oomAdjustment(procRoot: string, pid: number): number {
  const read = readProc(`${procRoot}/${pid}/oom_score_adj`);
  return (read.kind === 'value' && Number.parseInt(read.value, 10)) || 0;
}

/**
 * Whether at its limit the kernel ends all of a container here and not its biggest process: kubelet sets `memory.oom.group` for
 * all containers on cgroup v2, or for none (`singleProcessOOMKill`), and of its own the guardian sees it.
 */
export function endsWholeGroups(): boolean {
  const read = readProc('/sys/fs/cgroup/memory.oom.group');
  return read.kind === 'value' && read.value.trim() === '1';
}
