import { hasEnded, type ProcStat } from '../core/proc/proc-text.ts';
import { createYielder } from './breath.ts';
import { lastPid, listPids, readChildren, readStat } from './proc-fs.ts';
import { argsOf, type ProcessCache, scanProcesses, shortName } from './process-table.ts';
import { listWithPs } from './ps.ts';

/** One living process of the agent's tree, as the listing shows it. */
export interface Member {
  pid: number;
  /** Tells two processes with the same pid apart: the start time; 0 on macOS, where pids come round too slowly to matter. */
  identity: number;
  /** The kernel's name; `name` is rebuilt when it changes (the process runs another program). */
  comm: string;
  name: string;
  rssBytes: number;
  /** CPU used since it started; `null` where the listing does not tell. */
  cpuMs: number | null;
}

/** Processes that are members wherever they stand: the root, and all seen as members before. */
export type Seeds = ReadonlyMap<number, Pick<Member, 'identity' | 'comm' | 'name'> | undefined>;

export interface MemberOptions {
  procRoot: string;
  platform: NodeJS.Platform;
  pageBytes: number;
  /** The process whose cgroup makes a process a member, besides descent; `undefined` for descent alone. */
  groupOfPid: number | undefined;
}

/** Linux has counted CPU time for user space in this unit on every architecture since 2.6. */
const TICK_MS = 10;
/** The identity where the listing has no start time. */
const PID_ALONE = 0;
/** So often members are only read again while no process has been started; then it is looked for those that were moved into the cgroup. */
const REREADS = 16;
/** Below this many reads, walking down is never compared with a scan. */
const FEW_READS = 64;

/**
 * Finds the members of a tree: the seeds that live, all that descends from them, and all in the same cgroup.
 *
 * On Linux it reads those known while no process has been started since, and else walks down the `children` files, one read per thread; where a listing of all processes takes fewer reads, or
 * the cgroup counts, or the kernel has no such files, it reads `stat` of every process. On macOS it asks `ps`.
 */
export function createMemberFinder(options: MemberOptions): (seeds: Seeds) => Promise<Member[]> {
  const { procRoot, platform, pageBytes, groupOfPid } = options;
  const cache: ProcessCache = new Map();
  let walkReads = 0;
  let walkable = true;
  let group: string | undefined;
  let looked: { lastPid: number | undefined; rereads: number } = { lastPid: undefined, rereads: 0 };

  const memberOf = (pid: number, stat: ProcStat, seeds: Seeds): Member => {
    const seed = seeds.get(pid);
    const known = seed?.identity === stat.startTime && seed.comm === stat.comm;
    return {
      pid,
      identity: stat.startTime,
      comm: stat.comm,
      name: known ? seed.name : shortName(argsOf(procRoot, pid), stat.comm),
      rssBytes: stat.rssPages * pageBytes,
      cpuMs: stat.cpuTicks * TICK_MS,
    };
  };

  /** Those known that live. */
  async function reread(seeds: Seeds): Promise<Member[]> {
    const breathe = createYielder();
    const found: Member[] = [];
    for (const pid of seeds.keys()) {
      await breathe();
      const read = readStat(procRoot, pid);
      if (read.kind !== 'value' || hasEnded(read.value)) continue;
      if (isSeed(pid, read.value.startTime, seeds)) found.push(memberOf(pid, read.value, seeds));
    }
    return found;
  }

  /** `undefined` when this kernel has no `children` files. */
  async function walk(seeds: Seeds): Promise<Member[] | undefined> {
    const breathe = createYielder();
    const found = new Map<number, Member>();
    const queue = [...seeds.keys()];
    let reads = 0;
    for (let i = 0; i < queue.length; i++) {
      await breathe();
      const pid = queue[i];
      if (pid === undefined || found.has(pid)) continue;
      const read = readStat(procRoot, pid);
      if (read.kind !== 'value' || hasEnded(read.value)) continue;
      // A seed whose pid went to a stranger comes back only as a child of a member.
      if (i < seeds.size && !isSeed(pid, read.value.startTime, seeds)) continue;
      const children = readChildren(procRoot, pid, read.value.threads);
      if (!children) return undefined;
      found.set(pid, memberOf(pid, read.value, seeds));
      reads += 2 + read.value.threads;
      queue.push(...children);
    }
    walkReads = reads;
    return [...found.values()];
  }

  async function scan(seeds: Seeds): Promise<Member[]> {
    const breathe = createYielder();
    const stats = new Map<number, ProcStat>();
    const inGroup: number[] = [];
    const groups = new Map<number, string>();
    if (groupOfPid === undefined) {
      for (const pid of listPids(procRoot)) {
        await breathe();
        const read = readStat(procRoot, pid);
        if (read.kind === 'value' && !hasEnded(read.value)) stats.set(pid, read.value);
      }
    } else {
      for (const row of scanProcesses(procRoot, cache)) {
        await breathe();
        if (hasEnded(row.stat)) continue;
        stats.set(row.pid, row.stat);
        groups.set(row.pid, row.group);
      }
      // Asked each time: a process that was just started may still be on its way into its cgroup.
      if (isSeed(groupOfPid, stats.get(groupOfPid)?.startTime, seeds))
        group = groups.get(groupOfPid) ?? group;
    }
    for (const [pid, its] of groups)
      if (group && (its === group || its.startsWith(`${group}/`))) inGroup.push(pid);
    const living = [...seeds.keys()].filter((pid) => isSeed(pid, stats.get(pid)?.startTime, seeds));
    const pids = descend([...living, ...inGroup], stats);
    walkReads = [...pids].reduce((sum, pid) => sum + 2 + (stats.get(pid)?.threads ?? 0), 0);
    return [...pids].flatMap((pid) => {
      const stat = stats.get(pid);
      return stat ? [memberOf(pid, stat, seeds)] : [];
    });
  }

  return async (seeds) => {
    if (platform === 'darwin') return membersByPs(seeds);
    const last = lastPid(procRoot);
    if (last !== undefined && last === looked.lastPid && looked.rereads < REREADS) {
      looked.rereads++;
      return reread(seeds);
    }
    looked = { lastPid: last, rereads: 0 };
    const scanIsCheaper = walkReads > FEW_READS && walkReads > listPids(procRoot).length;
    if (groupOfPid !== undefined || !walkable || scanIsCheaper) return scan(seeds);
    const walked = await walk(seeds);
    walkable = walked !== undefined;
    return walked ?? scan(seeds);
  };
}

async function membersByPs(seeds: Seeds): Promise<Member[]> {
  const listed = await listWithPs();
  const living = [...seeds.keys()].filter((pid) =>
    isSeed(pid, listed.has(pid) ? PID_ALONE : undefined, seeds),
  );
  return [...descend(living, listed)].flatMap((pid) => {
    const row = listed.get(pid);
    if (!row) return [];
    return [
      {
        pid,
        identity: PID_ALONE,
        comm: row.comm,
        name: shortName([row.comm], row.comm),
        rssBytes: row.rssBytes,
        cpuMs: null,
      },
    ];
  });
}

/** Whether the process at a seed's pid is the one meant; the first look takes what it finds. */
function isSeed(pid: number, identity: number | undefined, seeds: Seeds): boolean {
  const seed = seeds.get(pid);
  return identity !== undefined && (seed === undefined || seed.identity === identity);
}

/** The given pids and all that descends from them. */
function descend(from: readonly number[], table: ReadonlyMap<number, { ppid: number }>): Set<number> {
  const children = new Map<number, number[]>();
  for (const [pid, { ppid }] of table) {
    const siblings = children.get(ppid);
    if (siblings) siblings.push(pid);
    else children.set(ppid, [pid]);
  }
  const all = new Set(from);
  for (const pid of all) for (const child of children.get(pid) ?? []) all.add(child);
  return all;
}
