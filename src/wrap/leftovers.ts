import { setTimeout as sleep } from 'node:timers/promises';
import { listProcesses, type ProcessEntry, pidsOfRun, withDescendants } from './processes.ts';

/** What belongs to a run, and how long it may take to end it. */
export interface LeftoversOptions {
  runId: string;
  /** Further members: the processes in the run's private cgroup. */
  groupPids?: () => number[];
  /** Time between SIGTERM and SIGKILL. Default 2,000 ms: the command itself has ended, nobody waits for the rest. */
  graceMs?: number;
  procRoot?: string;
}

/** Time that killed processes get to go: the kernel frees their memory first. */
const KILLED_MS = 5000;
const POLL_MS = 25;

/**
 * Ends what the command left running in the background: SIGTERM, and SIGKILL after the grace. Members are found by their
 * environment, by the private cgroup and by descent from these; a process that cleared its environment, left its parent
 * and is in no private cgroup is not found.
 * @returns pids still alive at the end: none, unless they may not be signalled or hang in the kernel
 */
export async function endLeftovers(options: LeftoversOptions): Promise<number[]> {
  const { graceMs = 2000 } = options;
  const told = new Set<string>();
  let members = membersOf(options, []);
  const killAt = performance.now() + graceMs;
  while (members.length > 0 && performance.now() < killAt) {
    for (const member of members) {
      if (told.has(identity(member))) continue;
      told.add(identity(member));
      send(member.pid, 'SIGTERM');
      send(member.pid, 'SIGCONT'); // a stopped process does not see SIGTERM
    }
    await sleep(POLL_MS);
    members = membersOf(options, members);
  }
  const giveUpAt = performance.now() + KILLED_MS;
  while (members.length > 0 && performance.now() < giveUpAt) {
    for (const { pid } of members) send(pid, 'SIGKILL');
    await sleep(POLL_MS);
    members = membersOf(options, members);
  }
  return members.map(({ pid }) => pid);
}

/** Also those seen before: a process whose parent has just been ended no longer descends from anything. */
function membersOf(options: LeftoversOptions, before: ProcessEntry[]): ProcessEntry[] {
  const table = listProcesses(options.procRoot);
  // Never the guardian itself, nor pid 1; 0 in cgroup.procs is a process outside this pid namespace, and to kill(2) the own group.
  for (const pid of [0, 1, process.pid]) table.delete(pid);
  const seen = before
    .filter((entry) => table.get(entry.pid)?.startTicks === entry.startTicks)
    .map(({ pid }) => pid);
  const seeds = [...pidsOfRun(options.runId, options.procRoot), ...(options.groupPids?.() ?? []), ...seen];
  return [...withDescendants(seeds, table)].flatMap((pid) => table.get(pid) ?? []);
}

function identity({ pid, startTicks }: ProcessEntry): string {
  return `${pid}:${startTicks}`;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone meanwhile, or another user's: the caller looks again and reports who is left.
  }
}
