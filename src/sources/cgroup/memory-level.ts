import type { Limit, Usage } from '../../core/model/reading.ts';
import { type Dialect, keys, STAT } from './dialect.ts';
import { HugePages } from './huge-pages.ts';
import { KernelFile } from './kernel-file.ts';

const OOM_KILLS = keys('oom_kill', 'oom_group_kill');
/** A limit that only hidden ancestors set, at this share of the machine's memory or above, is the kubelet's on all pods together: it limits no agent. */
const ALL_PODS_SHARE = 0.95;
/** Statistics are read again after this time, when use has moved by this share of the limit, and always above that one. */
const STAT_MS = 20;
const STILL_SHARE = 0.01;
const PINNED_SHARE = 0.95;

/** One cgroup of the chain: its use, the limit that binds it, its counters. */
export class MemoryLevel {
  /** With swap where there is room for it: what the kernel can move out is not about to be killed for. */
  readonly usage: Usage = {
    usedBytes: 0,
    reclaimableBytes: 0,
    anonBytes: null,
    shmemBytes: null,
    kernelBytes: null,
  };
  #limit: Limit = 'unlimited';
  #name: string | undefined;
  readonly huge: HugePages | undefined;
  readonly #dialect: Dialect;
  readonly #allPodsBytes: number;
  readonly #opened: KernelFile[] = [];
  readonly #usageFile: KernelFile;
  readonly #statFile: KernelFile;
  readonly #limitFile: KernelFile | undefined;
  readonly #highFile: KernelFile | undefined;
  readonly #swapFile: KernelFile | undefined;
  readonly #swapLimitFile: KernelFile | undefined;
  readonly #swapHighFile: KernelFile | undefined;
  readonly #swappinessFile: KernelFile | undefined;
  readonly #eventsFile: KernelFile | undefined;
  readonly #kernelFile: KernelFile | undefined;
  readonly #stat = new Float64Array(7).fill(-1);
  readonly #oomKills = new Float64Array(2);
  /** Swap is part of use and limit. */
  #swaps = false;
  /** When the statistics were read, and use then. */
  #statMs = Number.NEGATIVE_INFINITY;
  #statUsed = 0;

  /** @throws SpillwayError `read` or `malformed`, or the system error; no file stays open then */
  constructor(directory: string, dialect: Dialect, machineBytes: number) {
    this.#dialect = dialect;
    this.#allPodsBytes = ALL_PODS_SHARE * machineBytes;
    const must = (name: string) => {
      const file = new KernelFile(`${directory}/${name}`);
      this.#opened.push(file);
      return file;
    };
    const open = (name: string | undefined) => {
      const file = name === undefined ? undefined : KernelFile.openIfThere(`${directory}/${name}`);
      if (file) this.#opened.push(file);
      return file;
    };
    try {
      this.#usageFile = must(dialect.usage);
      this.#statFile = must('memory.stat');
      this.#limitFile = open(dialect.limit);
      this.#highFile = open(dialect.high);
      this.#swapFile = open(dialect.swapUsage);
      this.#swapLimitFile = open(dialect.swapLimit);
      this.#swapHighFile = open(dialect.swapHigh);
      this.#swappinessFile = open(dialect.swappiness);
      this.#eventsFile = open(dialect.events);
      this.#kernelFile = open(dialect.kernel);
      this.huge = dialect.swapIncludesMemory ? undefined : new HugePages(directory);
      this.readLimit(0);
      this.#readStat();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What the limit is, where it is not that of memory alone. */
  get name(): string | undefined {
    return this.#name;
  }

  /**
   * The nearer of `max` and `high`, and on v1 also that of ancestors nobody can see from here; with room in swap, together
   * with the swap there may be.
   */
  get limit(): Limit {
    return this.#limit;
  }

  /**
   * Room in swap for this group, in bytes, given what those above have.
   * @throws SpillwayError `read` or `malformed`
   */
  swapRoom(above: number): number {
    if (above <= 0 || !this.#swapFile || this.#swappinessFile?.readNumber() === 0) return 0;
    const limit = least(this.#swapLimitFile?.readLimit(), this.#swapHighFile?.readLimit());
    return limit === 'unlimited' ? above : Math.max(0, Math.min(above, limit - this.#swapFile.readNumber()));
  }

  /**
   * @param swapRoom from {@link swapRoom}, in bytes
   * @throws SpillwayError `read` or `malformed`
   */
  readLimit(swapRoom: number): void {
    const max = this.#limitFile?.readLimit() ?? 'unlimited';
    const high = this.#highFile?.readLimit() ?? 'unlimited';
    const inherited = this.#stat[STAT.hierarchicalLimit] ?? -1;
    this.#limit = least(max, high);
    this.#name = high !== 'unlimited' && (max === 'unlimited' || high < max) ? this.#dialect.high : undefined;
    if (inherited >= 0 && inherited < this.#allPodsBytes) this.#limit = least(this.#limit, inherited);
    this.#swaps = this.#limit !== 'unlimited' && swapRoom > 0;
    if (this.#limit === 'unlimited' || !this.#swaps) return;
    const together = this.#limit + this.#swapUsed(this.#usageFile.readNumber()) + swapRoom;
    // on v1 the second limit is that of both together, and the same as the first where swap is not to be used
    const both = this.#dialect.swapIncludesMemory
      ? least(together, this.#swapLimitFile?.readLimit())
      : together;
    this.#swaps = both > this.#limit;
    if (!this.#swaps) return;
    this.#limit = both;
    this.#name = `${this.#name ?? 'memory'} and swap`;
  }

  /**
   * Statistics first, then the total: a burst in between is counted as held, never as droppable.
   *
   * At 200 readings a second the statistics of the last 20 ms do where use has hardly moved: to read them makes the kernel add
   * up the counters of all its CPUs under one lock, which a node full of guardians under pressure would hold in turn. Near
   * the limit they are read each time: there memory may take the place of cache while the sum stays the same.
   * @throws SpillwayError `read` or `malformed`
   */
  read(nowMs: number): void {
    const used = this.readUsed();
    const bytes = typeof this.#limit === 'number' ? this.#limit : Number.POSITIVE_INFINITY;
    const still = Math.abs(used - this.#statUsed) <= STILL_SHARE * bytes && used < PINNED_SHARE * bytes;
    if (still && nowMs - this.#statMs < STAT_MS) {
      this.usage.usedBytes = used;
      return;
    }
    this.#readStat();
    this.#statMs = nowMs;
    this.#statUsed = this.usage.usedBytes;
  }

  #readStat(): void {
    const { usage } = this;
    const stat = this.#stat;
    this.#statFile.readKeys(this.#dialect.stat, stat);
    const told = (index: number) => Math.max(0, stat[index] ?? 0);
    const orNull = (index: number) => ((stat[index] ?? -1) < 0 ? null : told(index));
    usage.reclaimableBytes = told(STAT.inactiveFile) + told(STAT.activeFile) + told(STAT.slabReclaimable);
    usage.anonBytes = orNull(STAT.anon);
    usage.shmemBytes = orNull(STAT.shmem);
    usage.kernelBytes = this.#kernelFile ? this.#kernelFile.readNumber() : orNull(STAT.kernel);
    usage.usedBytes = this.readUsed();
    usage.reclaimableBytes = Math.min(usage.reclaimableBytes, usage.usedBytes);
  }

  /** @throws SpillwayError `read` or `malformed` */
  readUsed(): number {
    const used = this.#usageFile.readNumber();
    return this.#swaps ? used + this.#swapUsed(used) : used;
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
    for (const file of this.#opened.splice(0)) file.close();
    this.huge?.close();
  }

  /**
   * Swap in use, in bytes. What zswap keeps is in it as the slot that is taken, and in the use of memory as the compressed
   * copy: two budgets, each of which has its own limit, so neither is left out and `memory.zswap.current` is not added.
   */
  #swapUsed(memoryUsed: number): number {
    const used = this.#swapFile?.readNumber() ?? 0;
    return this.#dialect.swapIncludesMemory ? Math.max(0, used - memoryUsed) : used;
  }
}

function least(first: number, ...limits: (Limit | undefined)[]): number;
function least(...limits: (Limit | undefined)[]): Limit;
function least(...limits: (Limit | undefined)[]): Limit {
  const numbers = limits.filter((limit) => typeof limit === 'number');
  return numbers.length > 0 ? Math.min(...numbers) : 'unlimited';
}
