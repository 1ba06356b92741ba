import { readFileSync } from 'node:fs';
import { heapLimit } from '../core/gc/heap-limit.ts';
import { ONE_CORE } from '../core/model/fastest-growth.ts';
import type { ExitFacts, ProcessShare, TreeSample } from '../core/model/process.ts';
import type { Reading, Usage } from '../core/model/reading.ts';
import { RUNTIMES } from '../core/model/runtimes.ts';
import type { AgentInfo } from '../core/model/status.ts';
import type { AgentProcess } from '../core/ports/ports.ts';
import { watchFastestGrowth } from './fastest-growth.ts';
import { exitCodeFromZombie, watchAlive } from './liveness.ts';
import { AgentMemory, type AgentMemoryOptions } from './memory.ts';
import { argsOf, shortName } from './process-table.ts';
import { createProcessTree, type ReadUsage, SamplePace } from './processes.ts';
import { createRssReader } from './rss-reader.ts';
import { runtimeOf, runtimeOfTree } from './runtime.ts';
import { SharedPages } from './shared-pages.ts';
import { isDying } from './signals.ts';

export interface AgentProcessOptions extends Omit<AgentMemoryOptions, 'rss'> {
  pid: number;
  readUsage: ReadUsage;
  platform: NodeJS.Platform;
  /** Tells two processes of the same pid apart, where known. */
  startTime?: number;
  name?: string;
  /** How many lives there were before. */
  restarts: number;
  /** Everything in the agent's cgroup is the agent's: another container. */
  sameGroup: boolean;
  /** A parent knows how its child ended; without it, liveness is read from the kernel. */
  child?: { exited(): ExitFacts | undefined };
}

/** Follows one process, and all it started, from being found to its end. */
export function watchAgent(options: AgentProcessOptions): AgentProcess {
  const { procRoot, pid, platform, child } = options;
  const linux = platform !== 'darwin';
  let info: AgentInfo = {
    pid,
    name: options.name ?? String(pid),
    runtime: linux ? runtimeOf(procRoot, pid) : 'other',
    restarts: options.restarts,
  };
  let args: string[] = [];
  let nodeOptions = '';
  let worker = { pid, runtime: info.runtime };
  // asked for at each round of the loop, and changed once in a life if at all
  let heap = { limitBytes: -1, bytes: 0, set: false };
  const currentHeapLimit = () => {
    const { limitBytes } = memory;
    if (heap.limitBytes !== limitBytes) heap = { limitBytes, ...heapLimit(args, nodeOptions, limitBytes) };
    return heap;
  };
  // what is found may be the shell that is about to become the agent; what is dead tells neither
  const identify = () => {
    const now = linux ? argsOf(procRoot, pid) : [];
    if (now.length === 0) return;
    args = now;
    const name = shortName(args, info.name);
    if (name !== info.name) info = { ...info, name };
    // below a shell it is the command line of what it started that says how large the heap may be
    if (worker.pid !== pid) args = argsOf(procRoot, worker.pid);
    nodeOptions = nodeOptionsOf(procRoot, worker.pid);
    heap.limitBytes = -1;
  };
  identify();
  const tree = createProcessTree({
    procRoot,
    rootPid: pid,
    readUsage: options.readUsage,
    sameGroup: options.sameGroup,
    platform,
    ...(options.startTime === undefined ? {} : { startTime: options.startTime }),
  });
  const fastestGrowth = linux ? watchFastestGrowth({ procRoot, pid }) : () => ONE_CORE;
  const rss = linux ? createRssReader({ procRoot }) : undefined;
  rss?.follow([{ pid, identity: options.startTime ?? 0, rssBytes: 0 }]);
  const sharedPages = new SharedPages(procRoot);
  const alive = child ? undefined : watchAlive(procRoot, pid, options.startTime);
  const use: Usage = {
    usedBytes: 0,
    reclaimableBytes: 0,
    anonBytes: null,
    shmemBytes: null,
    kernelBytes: null,
  };
  let sample: TreeSample | undefined;
  const pace = new SamplePace(performance.now());

  const memory = new AgentMemory({
    ...options,
    rss: {
      read(into) {
        if (rss?.read(into)) return;
        // no /proc: what the last look at the processes found, at most a second old
        into.usedBytes = sample?.rssBytes ?? 0;
        into.reclaimableBytes = 0;
      },
      get exact() {
        return linux && sharedPages.exact;
      },
      get processes() {
        return sample?.count ?? 1;
      },
    },
  });

  return {
    get info() {
      return info;
    },
    get heapLimitBytes() {
      return RUNTIMES[info.runtime].abortsAtHeapLimit ? currentHeapLimit().bytes : null;
    },
    get heapLimitSet() {
      return currentHeapLimit().set;
    },
    alive() {
      if (child) return child.exited() === undefined;
      try {
        return alive?.alive() ?? false;
      } catch {
        return true; // unknown is no death; the reading that follows says what is wrong
      }
    },
    exitTold: child !== undefined,
    fastestGrowth,
    dying: () => isDying(procRoot, pid),
    read: (nowMs): Reading => ({ ...memory.read(nowMs) }),
    usageOnly: () => memory.glance(),
    oomKills: () => memory.readOomKills(),
    get sharesGroup() {
      return memory.shared;
    },
    degraded: () => memory.degraded(),
    async tree() {
      const look = await tree.refresh();
      pace.spent(look.costMs, performance.now());
      sample = look;
      const members = tree.members();
      // where the cgroup tells there is nothing to count
      const far = look.rssBytes < memory.limitBytes / 2;
      rss?.follow(memory.countsRss ? await sharedPages.measure(members, performance.now(), far) : members);
      const biggest = look.processes[0];
      const runtime = linux && biggest ? runtimeOfTree(procRoot, pid, biggest.pid) : info.runtime;
      if (runtime !== info.runtime) info = { ...info, runtime };
      worker = workerOf(procRoot, info, look.processes, worker);
      identify();
      return look;
    },
    rssBytes: () => (rss?.read(use) ? use.usedBytes : null),
    get worker() {
      return worker;
    },
    treeIntervalMs: () => pace.intervalMs,
    exit() {
      const known = child?.exited();
      if (known) return known;
      const zombie = exitCodeFromZombie(procRoot, pid);
      return { exitCode: zombie?.code ?? null, signal: zombie?.signal ?? null };
    },
    close() {
      memory.close();
      rss?.close();
      alive?.close();
    },
  };
}

/** Whoever holds most is asked, when it holds twice what the agent's own process does: a cluster's primary holds little. */
const MUCH_MORE = 2;
/** … and stays the one while it holds about as much as any: among workers of like size, what is known is of one of them. */
const ABOUT_AS_MUCH = 0.7;
const CANDIDATES = 5;

export function workerOf(
  procRoot: string,
  agent: AgentInfo,
  processes: readonly ProcessShare[],
  before: AgentProcess['worker'],
): AgentProcess['worker'] {
  const { pid, runtime } = agent;
  const same = processes.slice(0, CANDIDATES).find((each) => runtimeOf(procRoot, each.pid) === runtime);
  const rssOf = (of: number) => processes.find((each) => each.pid === of)?.rssBytes ?? 0;
  const ownRuns = runtimeOf(procRoot, pid) === runtime;
  const other = same && same.pid !== pid && same.rssBytes > MUCH_MORE * (ownRuns ? rssOf(pid) : 0);
  if (!other) return { pid, runtime };
  const stays = before.pid !== pid && rssOf(before.pid) >= ABOUT_AS_MUCH * same.rssBytes;
  return { pid: stays && runtimeOf(procRoot, before.pid) === runtime ? before.pid : same.pid, runtime };
}

/** `NODE_OPTIONS` of a process; empty where its environment may not be read. */
function nodeOptionsOf(procRoot: string, pid: number): string {
  try {
    const environment = readFileSync(`${procRoot}/${pid}/environ`, 'latin1');
    return /(?:^|\0)NODE_OPTIONS=([^\0]*)/.exec(environment)?.[1] ?? '';
  } catch {
    return ''; // another user's process, or gone: the default is the best guess
  }
}
