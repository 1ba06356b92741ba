import { constants } from 'node:os';
import { RUNTIMES } from '../core/model/runtimes.ts';
import { hasEnded } from '../core/proc/proc-text.ts';
import { listPids, readStat } from './proc-fs.ts';
import { argsOf, baseName } from './process-table.ts';
import { runtimeOf } from './runtime.ts';
import { catchesSignal } from './signals.ts';

/** Inits of containers: the first process they start is the program, they end with it, and collect orphans beside it. */
const INIT = /^(?:tini|tini-static|dumb-init|docker-init|catatonit)$/;
/** What waits for one program and ends after it. */
const SHELL = /^(?:(?:ba|da|a|z|k)?sh|busybox)$/;
const PACKAGE_MANAGER = /^(?:npm|npx|pnpm|yarn)$/;
const PACKAGE_MANAGER_FILE = /\/(?:npm|npx|pnpm|yarn)(?:-cli)?(?:\.[cm]?js)?$/;
/** Starts whichever of its programs has ended again. */
const PM2 = /^PM2 |\/pm2-runtime$/;

/**
 * Which process of an agent SIGTERM is for: the one that serves. Those that only start it are looked through, as a shell
 * passes no signal on, npm does so or not by its version, and pm2 sends SIGINT and soon SIGKILL; each of them ends after the
 * program, or starts it again. Below anything else, a server and its workers, the first one is the server.
 * @param rootPid the agent's own process
 * @param workerPid the one of its processes that holds most
 * @returns `null` where what only starts the program has started others beside it, so that its end would not be theirs
 */
export function sigtermTarget(procRoot: string, rootPid: number, workerPid: number): number | null {
  const family = readFamily(procRoot);
  let pid = rootPid;
  for (;;) {
    const kind = starterKind(argsOf(procRoot, pid));
    if (kind === undefined) return pid;
    const children = [...family.values()].filter(({ ppid }) => ppid === pid);
    const next = children.find((child) => isBelow(family, workerPid, child.pid));
    if (!next) return null;
    const first = Math.min(...children.map(({ startTime }) => startTime));
    if (kind === 'one' && children.length > 1) return null;
    if (kind === 'first' && next.startTime !== first) return null;
    pid = next.pid;
  }
}

/**
 * Whether the program in a process handles SIGTERM, as far as that is proven from outside (`sigterm` of its runtime); a program
 * of an unknown runtime may catch the signal without handling it: false.
 * @returns `null` where the runtime has to be asked
 */
export function handlesSigterm(procRoot: string, pid: number): boolean | null {
  const { sigterm } = RUNTIMES[runtimeOf(procRoot, pid)];
  if (sigterm === 'asked') return null;
  return sigterm === 'SigCgt' && catchesSignal(procRoot, pid, constants.signals.SIGTERM);
}

/** How what only starts a program may be looked through: to its one child, its first, or any. */
function starterKind(args: readonly string[]): 'one' | 'first' | 'any' | undefined {
  const title = args[0] ?? '';
  const command = baseName(title.split(' ')[0] ?? '');
  if (INIT.test(command)) return 'first';
  if (PM2.test(title) || PM2.test(args[1] ?? '')) return 'any';
  if (SHELL.test(command) || PACKAGE_MANAGER.test(command)) return 'one';
  return PACKAGE_MANAGER_FILE.test(args[1] ?? '') ? 'one' : undefined;
}

interface Relation {
  pid: number;
  ppid: number;
  startTime: number;
}

/** Every living process that may be seen. */
function readFamily(procRoot: string): Map<number, Relation> {
  const family = new Map<number, Relation>();
  for (const pid of listPids(procRoot)) {
    const stat = readStat(procRoot, pid);
    if (stat.kind !== 'value' || hasEnded(stat.value)) continue;
    family.set(pid, { pid, ppid: stat.value.ppid, startTime: stat.value.startTime });
  }
  return family;
}

function isBelow(family: ReadonlyMap<number, Relation>, pid: number, ancestor: number): boolean {
  for (let at: number | undefined = pid; at !== undefined; at = family.get(at)?.ppid)
    if (at === ancestor) return true;
  return false;
}
