import { pageBytesOf } from './proc-fs.ts';
import { createMemberFinder, type Member, type Seeds } from './tree-members.ts';

/** One process of the agent's tree. */
export interface TreeProcess {
  pid: number;
  /** Short: the program of an interpreter, else the command. */
  name: string;
  rssBytes: number;
  /** Cores kept busy since the last look (1 = one core); `null` when this is the first look at it. */
  cpuCores: number | null;
}

/** The agent and all it started, at one look. */
export interface TreeSample {
  /** Sum of the RSS; pages that several processes share are counted in each. */
  rssBytes: number;
  /** Cores kept busy since the last look, by the processes still alive; `null` at the first look. */
  cpuCores: number | null;
  /** Living processes; 0 when none is left. */
  count: number;
  /** The biggest 20 by RSS, biggest first. */
  processes: TreeProcess[];
  /** All of them, biggest first. */
  pids: readonly number[];
  /** CPU time this process spent while it looked, in milliseconds: what {@link SamplePace} goes by. */
  costMs: number;
}

/** A process to read in between two looks. */
export type TreeMember = Pick<Member, 'pid' | 'identity' | 'rssBytes'>;

/** What processes use, by pid; those missing are gone or unknown. Must not throw. */
export type ReadUsage = (
  pids: readonly number[],
) => Promise<ReadonlyMap<number, { rssBytes: number; cpuMs: number; ageMs: number }>>;

export interface ProcessTreeOptions {
  /** `/proc`, or a tree that looks like it; not used on macOS. */
  procRoot: string;
  /** The agent. */
  rootPid: number;
  /** Its start time, where known: keeps a pid that is used again from being taken for it. Not used on macOS. */
  startTime?: number;
  readUsage: ReadUsage;
  /** Whether the agent's cgroup is its own, so that everything in it (and in cgroups below) belongs to the agent. Default false. */
  sameGroup?: boolean;
  /** Default: this machine's. `darwin` lists with `ps`. */
  platform?: NodeJS.Platform;
  /** Monotonic milliseconds. Default `performance.now`. */
  now?: () => number;
}

export interface ProcessTree {
  /**
   * Looks at all processes of the tree. A call while one runs gets the same answer.
   * @throws {SpillwayError} `read` or `malformed` when the processes cannot be listed
   */
  refresh(): Promise<TreeSample>;
  /** All processes of the last look, biggest first. */
  members(): readonly TreeMember[];
}

const KEPT = 20;
const MIN_REFRESH_MS = 1000;
/** So that looking takes at most 1 % of a core. */
const COST_FACTOR = 100;
/** CPU to spend on looks before it is earned. */
const AHEAD_MS = 200;

/**
 * Follows the agent and all it starts: its descendants, and those that were descendants when last seen and then lost their
 * parent. A process that was both started and orphaned between two looks is only found with `sameGroup`.
 *
 * One look at 1 / 50 / 500 small processes costs 1 / 7 / 29 ms of CPU (Node 20), in slices of about 2 ms, so the sampling in
 * between stays on time; with {@link SamplePace} that is 0.1 / 0.7 / 1 % of a core. pidusage keeps one file open for each.
 */
export function createProcessTree(options: ProcessTreeOptions): ProcessTree {
  const {
    procRoot,
    rootPid,
    readUsage,
    platform = process.platform,
    now = () => performance.now(),
  } = options;
  const groupOfPid = options.sameGroup ? rootPid : undefined;
  const findMembers = createMemberFinder({
    procRoot,
    platform,
    pageBytes: pageBytesOf(procRoot),
    groupOfPid,
  });
  let seeds: Seeds = new Map([[rootPid, platform === 'darwin' ? undefined : seedOf(options)]]);
  let spent = new Map<number, { identity: Member['identity']; cpuMs: number | null }>();
  let members: TreeMember[] = [];
  let lookedAtMs: number | undefined;
  let pending: Promise<TreeSample> | undefined;

  async function look(): Promise<TreeSample> {
    const before = process.cpuUsage();
    const found = await findMembers(seeds);
    const usage = found.length > 0 ? await readUsage(found.map((member) => member.pid)) : new Map();
    const atMs = now();
    const elapsedMs = lookedAtMs === undefined ? undefined : Math.max(1, atMs - lookedAtMs);
    const nextSpent: typeof spent = new Map();
    const looked = found.map((member) => {
      const used = usage.get(member.pid);
      const cpuMs: number | null = used?.cpuMs ?? member.cpuMs;
      const last = spent.get(member.pid);
      const known = last?.identity === member.identity ? last.cpuMs : undefined;
      // One that started since the last look has spent everything in between.
      const from = known ?? (elapsedMs !== undefined && used && used.ageMs <= elapsedMs ? 0 : null);
      const cpuCores =
        elapsedMs === undefined || cpuMs === null || from === null
          ? null
          : Math.max(0, cpuMs - from) / elapsedMs;
      nextSpent.set(member.pid, { identity: member.identity, cpuMs });
      return { ...member, rssBytes: used?.rssBytes ?? member.rssBytes, cpuCores };
    });
    looked.sort((a, b) => b.rssBytes - a.rssBytes || a.pid - b.pid);
    seeds = new Map(found.map((member) => [member.pid, member]));
    spent = nextSpent;
    members = looked;
    lookedAtMs = atMs;
    const { user, system } = process.cpuUsage(before);
    return {
      rssBytes: looked.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
      cpuCores:
        elapsedMs === undefined ? null : looked.reduce((sum, { cpuCores }) => sum + (cpuCores ?? 0), 0),
      count: looked.length,
      processes: looked
        .slice(0, KEPT)
        .map(({ pid, name, rssBytes, cpuCores }) => ({ pid, name, rssBytes, cpuCores })),
      pids: looked.map(({ pid }) => pid),
      costMs: (user + system) / 1000,
    };
  }

  return {
    members: () => members,
    refresh: () => {
      pending ??= look().finally(() => {
        pending = undefined;
      });
      return pending;
    },
  };
}

/**
 * When to look again: after a second at least, and so that looking takes at most 1 % of a core on average. The first looks
 * cost several times what later ones do (100 ms at 140 small processes, 29 ms at 500 once the code is warm), so some of it may
 * be spent ahead: an agent that starts hundreds of processes is seen whole within seconds.
 */
export class SamplePace {
  #creditMs = AHEAD_MS;
  #paidMs: number;

  constructor(nowMs: number) {
    this.#paidMs = nowMs;
  }

  /** @param costMs CPU time that a look took which ended now */
  spent(costMs: number, nowMs: number): void {
    const earned = (nowMs - this.#paidMs) / COST_FACTOR;
    this.#creditMs = Math.min(AHEAD_MS, this.#creditMs + Math.max(0, earned)) - costMs;
    this.#paidMs = nowMs;
  }

  /** Milliseconds from the last look to the next. */
  get intervalMs(): number {
    return Math.max(MIN_REFRESH_MS, -this.#creditMs * COST_FACTOR);
  }
}

function seedOf({ startTime }: ProcessTreeOptions): Pick<Member, 'identity' | 'comm' | 'name'> | undefined {
  return startTime === undefined ? undefined : { identity: startTime, comm: '', name: '' };
}
