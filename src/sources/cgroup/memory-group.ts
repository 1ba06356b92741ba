import { existsSync } from 'node:fs';
import { heldBytes, type Limit, type Usage } from '../../core/reading.ts';
import { KernelFile } from './kernel-file.ts';
import type { CgroupPlace } from './locate.ts';

/** What the two versions of cgroups call the same things. */
interface Dialect {
  usage: string;
  limit: string;
  /** Where `oom_kill N` stands. */
  events: string;
  /** Kernel memory where `memory.stat` does not tell it. */
  kernel: string | undefined;
  /** Keys of `memory.stat`, in the order of the constants below. */
  stat: Buffer[];
}

const [ANON, SHMEM, INACTIVE_FILE, ACTIVE_FILE, SLAB_RECLAIMABLE, KERNEL, HIERARCHY_LIMIT] = [
  0, 1, 2, 3, 4, 5, 6,
] as const;
const NO_KEY = '(not told)';
const keys = (...names: string[]) => names.map((name) => Buffer.from(name, 'latin1'));

const DIALECTS: Readonly<Record<CgroupPlace['version'], Dialect>> = {
  // https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files; `kernel` since Linux 5.18
  v2: {
    usage: 'memory.current',
    limit: 'memory.max',
    events: 'memory.events',
    kernel: undefined,
    stat: keys('anon', 'shmem', 'inactive_file', 'active_file', 'slab_reclaimable', 'kernel', NO_KEY),
  },
  // https://docs.kernel.org/admin-guide/cgroup-v1/memory.html#stat-file; slab is not split there
  v1: {
    usage: 'memory.usage_in_bytes',
    limit: 'memory.limit_in_bytes',
    events: 'memory.oom_control',
    kernel: 'memory.kmem.usage_in_bytes',
    stat: keys(
      'total_rss',
      'total_shmem',
      'total_inactive_file',
      'total_active_file',
      NO_KEY,
      NO_KEY,
      'hierarchical_memory_limit',
    ),
  },
};
const OOM_KILLS = keys('oom_kill', 'oom_group_kill');
/** A limit that only hidden ancestors set, at this share of the machine's memory or above, is the kubelet's on all pods together: it limits no agent. */
const ALL_PODS_SHARE = 0.95;

/** One cgroup of the chain: its use, its limit, its counters. */
class MemoryLevel {
  readonly usage: Usage = {
    usedBytes: 0,
    reclaimableBytes: 0,
    anonBytes: null,
    shmemBytes: null,
    kernelBytes: null,
  };
  /** The group's own limit, and on v1 also that of ancestors nobody can see from here. */
  limit: Limit = 'unlimited';
  readonly #dialect: Dialect;
  readonly #allPodsBytes: number;
  readonly #usageFile: KernelFile;
  readonly #statFile: KernelFile;
  readonly #limitFile: KernelFile | undefined;
  readonly #eventsFile: KernelFile | undefined;
  readonly #kernelFile: KernelFile | undefined;
  readonly #stat = new Float64Array(7).fill(-1);
  readonly #oomKills = new Float64Array(2);

  constructor(directory: string, dialect: Dialect, machineBytes: number) {
    this.#dialect = dialect;
    this.#allPodsBytes = ALL_PODS_SHARE * machineBytes;
    const opened: KernelFile[] = [];
    const open = (name: string) => {
      const file = KernelFile.openIfThere(`${directory}/${name}`);
      if (file) opened.push(file);
      return file;
    };
    try {
      this.#usageFile = new KernelFile(`${directory}/${dialect.usage}`);
      opened.push(this.#usageFile);
      this.#statFile = new KernelFile(`${directory}/memory.stat`);
      opened.push(this.#statFile);
      this.#limitFile = open(dialect.limit);
      this.#eventsFile = open(dialect.events);
      this.#kernelFile = dialect.kernel === undefined ? undefined : open(dialect.kernel);
    } catch (error) {
      for (const file of opened) file.close();
      throw error;
    }
  }

  readLimit(): void {
    this.limit = this.#limitFile?.readLimit() ?? 'unlimited';
    const inherited = this.#stat[HIERARCHY_LIMIT] ?? -1;
    if (
      inherited >= 0 &&
      inherited < this.#allPodsBytes &&
      (this.limit === 'unlimited' || inherited < this.limit)
    )
      this.limit = inherited;
  }

  /** Statistics first, then the total: a burst in between is counted as held, never as droppable. */
  read(): void {
    const { usage } = this;
    const stat = this.#stat;
    this.#statFile.readKeys(this.#dialect.stat, stat);
    const told = (index: number) => Math.max(0, stat[index] ?? 0);
    const orNull = (index: number) => ((stat[index] ?? -1) < 0 ? null : told(index));
    usage.reclaimableBytes = told(INACTIVE_FILE) + told(ACTIVE_FILE) + told(SLAB_RECLAIMABLE);
    usage.anonBytes = orNull(ANON);
    usage.shmemBytes = orNull(SHMEM);
    usage.kernelBytes = this.#kernelFile ? this.#kernelFile.readNumber() : orNull(KERNEL);
    usage.usedBytes = this.#usageFile.readNumber();
    usage.reclaimableBytes = Math.min(usage.reclaimableBytes, usage.usedBytes);
  }

  readUsed(): number {
    return this.#usageFile.readNumber();
  }

  /** Where `memory.oom.group` is set the kernel counts its victim twice: as such, and as one of the group. */
  oomKills(): number | null {
    if (!this.#eventsFile) return null;
    this.#eventsFile.readKeys(OOM_KILLS, this.#oomKills);
    const [kills = -1, groupKills = -1] = this.#oomKills;
    if (kills < 0) return null;
    return groupKills < 0 ? kills : Math.max(groupKills, kills - groupKills);
  }

  close(): void {
    for (const file of [this.#usageFile, this.#statFile, this.#limitFile, this.#eventsFile, this.#kernelFile])
      file?.close();
  }
}

/**
 * The memory cgroup of a process with all its visible ancestors, kept open.
 *
 * What counts is the group nearest to *its* limit, be it the process's own or an ancestor shared with others: that is
 * where the kernel will kill. What can be dropped are file pages, clean or dirty (the kernel writes back and drops
 * before it kills), and on v2 reclaimable slab; tmpfs and shared memory sit on the anonymous lists and are not.
 */
export class MemoryGroup {
  readonly version: CgroupPlace['version'];
  readonly path: string;
  readonly #levels: MemoryLevel[] = [];
  #binding: MemoryLevel;
  #limits = 0;

  /**
   * @param machineBytes memory of the machine, in bytes
   * @throws SpillwayError `read` or the system error when the process's own group cannot be opened
   */
  constructor(place: CgroupPlace, machineBytes: number) {
    this.version = place.version;
    this.path = place.path;
    const dialect = DIALECTS[place.version];
    for (const directory of place.directories) {
      // no accounting here: the v2 root, or a group the controller was not enabled for; an ancestor may have it
      if (!existsSync(`${directory}/${dialect.usage}`)) continue;
      this.#levels.push(new MemoryLevel(directory, dialect, machineBytes));
    }
    const own = this.#levels[0];
    if (!own) throw new Error(`no memory controller in ${place.directories[0] ?? place.path} or above`);
    this.#binding = own;
    this.read();
    this.readLimits();
    this.read();
  }

  /** Re-reads all limits, so that a resize counts. A few microseconds; meant for some times a second. */
  readLimits(): void {
    for (const level of this.#levels) level.readLimit();
    this.#limits = this.#levels.filter(({ limit }) => limit !== 'unlimited').length;
  }

  /** Whether there is a limit anywhere in the chain. */
  get limited(): boolean {
    return this.#limits > 0;
  }

  /** Use of the group that the last `read` went by, without its breakdown; `null` where several limits compete. */
  glance(): number | null {
    return this.#limits > 1 ? null : this.#binding.readUsed();
  }

  /** Reads use everywhere a limit is set and returns that of the group nearest to its limit. */
  read(): Usage {
    const own = this.#levels[0] ?? this.#binding;
    own.read();
    this.#binding = own;
    let highest = own.limit === 'unlimited' ? -1 : heldBytes(own.usage) / own.limit;
    for (let i = 1; i < this.#levels.length; i++) {
      const level = this.#levels[i];
      if (level === undefined || level.limit === 'unlimited') continue;
      level.read();
      const ratio = heldBytes(level.usage) / level.limit;
      if (ratio > highest) {
        highest = ratio;
        this.#binding = level;
      }
    }
    return this.#binding.usage;
  }

  /** The limit that belongs to the last `read`. */
  get limit(): Limit {
    return this.#binding.limit;
  }

  /** OOM kills counted for the process's own group since it was made, or `null` where the kernel does not tell. */
  oomKills(): number | null {
    return this.#levels[0]?.oomKills() ?? null;
  }

  close(): void {
    for (const level of this.#levels) level.close();
  }
}
