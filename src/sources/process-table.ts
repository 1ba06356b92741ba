import { clean } from '../core/lib/text.ts';
import { parseProcCgroup } from '../core/proc/cgroup-text.ts';
import { type ProcStat, parseCmdline } from '../core/proc/proc-text.ts';
import { listPids, readProc, readStat } from './proc-fs.ts';

/** One process as a scan sees it. */
export interface ProcessRow {
  pid: number;
  stat: ProcStat;
  /** Its command line; empty for zombies and threads of the kernel. */
  args: readonly string[];
  /** The cgroup its memory is charged to; empty when that cannot be read. */
  group: string;
}

/** What earlier scans learned, by pid; bounded by the processes that live. */
export type ProcessCache = Map<number, ProcessRow & { looks: number }>;

/** A process seen this often (2 s at 4 scans a second) has settled in its cgroup and command. */
const YOUNG_LOOKS = 8;
/** Even a settled process may run another program or be moved; look again this often. */
const RECHECK_LOOKS = 32;

/**
 * All processes, one at a time, so that a caller can pause in between. Costs one listing and one read per process, and two
 * reads more for those not settled in `cache`: among 77 processes 2–5 ms at first, 0.85 ms once settled (Node 20).
 * @throws {SpillwayError} `read` when `/proc` cannot be listed, `malformed` when a status makes no sense
 */
export function* scanProcesses(procRoot: string, cache: ProcessCache): Generator<ProcessRow> {
  const pids = listPids(procRoot);
  for (const pid of pids) {
    const read = readStat(procRoot, pid);
    if (read.kind !== 'value') cache.delete(pid);
    else yield rowOf(procRoot, pid, read.value, cache);
  }
  const listed = new Set(pids);
  for (const pid of cache.keys()) if (!listed.has(pid)) cache.delete(pid);
}

function rowOf(procRoot: string, pid: number, stat: ProcStat, cache: ProcessCache): ProcessRow {
  const before = cache.get(pid);
  const same = before?.stat.startTime === stat.startTime && before.stat.comm === stat.comm;
  const looks = same ? before.looks + 1 : 1;
  const fresh = same && looks > YOUNG_LOOKS && looks % RECHECK_LOOKS !== 0;
  const row = {
    pid,
    stat,
    args: fresh ? before.args : argsOf(procRoot, pid),
    group: fresh ? before.group : groupOf(procRoot, pid),
    looks,
  };
  cache.set(pid, row);
  return row;
}

/** The command line of a process; empty when it is gone, a zombie or a thread of the kernel. */
export function argsOf(procRoot: string, pid: number): string[] {
  const read = readProc(`${procRoot}/${pid}/cmdline`);
  return read.kind === 'value' ? parseCmdline(read.value) : [];
}

function groupOf(procRoot: string, pid: number): string {
  const read = readProc(`${procRoot}/${pid}/cgroup`);
  if (read.kind !== 'value') return '';
  // without any memory cgroup, the text itself still tells containers apart
  return parseProcCgroup(read.value)?.path ?? read.value.trim();
}

const INTERPRETER = /^(?:node|nodejs|bun|deno|python[\d.]*|pypy[\d.]*|java)$/;
/** Flags of interpreters whose value is the next argument, and is not the program. */
const VALUED = new Set([
  '-r',
  '--require',
  '--import',
  '--loader',
  '-C',
  '-W',
  '-X',
  '-cp',
  '-classpath',
  '--class-path',
]);
/** Flags after which there is no program file at all. */
const INLINE = new Set(['-e', '-p', '-pe', '-c', '--eval', '--print']);

/** A short name: of an interpreter the program it runs (`node --inspect /app/agent.js` → `agent.js`), else the command's own. */
export function shortName(args: readonly string[], comm: string): string {
  const command = baseName(args[0]?.split(' ')[0] ?? '') || comm;
  if (!INTERPRETER.test(command)) return clean(command);
  for (let i = 1; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (INLINE.has(arg)) break;
    if (VALUED.has(arg)) i++;
    else if (!arg.startsWith('-')) return clean(baseName(arg) || command);
  }
  return clean(command);
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
