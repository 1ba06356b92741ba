import { existsSync } from 'node:fs';
import { messageOf } from '../../core/lib/errors.ts';
import type { Degraded } from '../../core/model/notice.ts';
import { type Limit, type Usage, unreclaimableBytes } from '../../core/model/reading.ts';
import { DIALECTS } from './dialect.ts';
import type { HugePool } from './huge-pages.ts';
import type { CgroupPlace } from './locate.ts';
import { MemoryLevel } from './memory-level.ts';
import { freeSwapBytes } from './swap-space.ts';

/** Memory of the machine, and where it tells of it. */
export interface Machine {
  procRoot: string;
  /** In bytes. */
  machineBytes: number;
}

/**
 * The memory cgroup of a process with all its visible ancestors, kept open.
 *
 * What counts is the group nearest to *its* limit, be it the process's own or an ancestor shared with others: that is
 * where the kernel will kill, or throttle. What can be dropped are file pages, clean or dirty (the kernel writes back and
 * drops before it kills), and on v2 reclaimable slab; tmpfs and shared memory sit on the anonymous lists and are not.
 */
export class MemoryGroup {
  readonly version: CgroupPlace['version'];
  readonly path: string;
  /** Ancestors whose limits are not judged, and why, in words. */
  readonly skipped: Degraded[] = [];
  readonly #procRoot: string;
  readonly #own: MemoryLevel;
  #ancestors: { level: MemoryLevel; directory: string }[] = [];
  #binding: MemoryLevel | HugePool;
  #limits = 0;

  /** @throws SpillwayError `read` or `malformed`, or the system error, when the process's own group cannot be read */
  constructor(place: CgroupPlace, { procRoot, machineBytes }: Machine) {
    this.version = place.version;
    this.path = place.path;
    this.#procRoot = procRoot;
    const dialect = DIALECTS[place.version];
    // no accounting in some: the v2 root, or a group the controller was not enabled for; an ancestor may have it
    const [own, ...above] = place.directories.filter((each) => existsSync(`${each}/${dialect.usage}`));
    if (own === undefined)
      throw new Error(`no memory controller in ${place.directories[0] ?? place.path} or above`);
    this.#own = new MemoryLevel(own, dialect, machineBytes);
    this.#binding = this.#own;
    for (const directory of above) {
      try {
        this.#ancestors.push({ level: new MemoryLevel(directory, dialect, machineBytes), directory });
      } catch (error) {
        this.#skip(directory, error);
      }
    }
    try {
      this.readLimits();
      this.read(Number.NEGATIVE_INFINITY);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Re-reads all limits, so that a resize counts. A few microseconds; meant for some times a second.
   * @throws SpillwayError `read` or `malformed` when those of the own group cannot be read
   */
  readLimits(): void {
    let swapRoom = freeSwapBytes(this.#procRoot);
    // from the outermost: what it has no room for, no group below has
    this.#ancestors = this.#ancestors.toReversed().filter(({ level, directory }) =>
      this.#spared(directory, level, () => {
        swapRoom = level.swapRoom(swapRoom);
        level.readLimit(swapRoom);
      }),
    );
    this.#ancestors.reverse();
    this.#own.readLimit(this.#own.swapRoom(swapRoom));
    this.#limits = [this.#own, ...this.#ancestors.map(({ level }) => level)].filter(
      ({ limit }) => limit !== 'unlimited',
    ).length;
  }

  /** Whether there is a limit anywhere in the chain. */
  get limited(): boolean {
    return this.#limits > 0;
  }

  /** Use of the group that the last `read` went by, without its breakdown; `null` where several limits compete. */
  glance(): number | null {
    return this.#limits > 1 ? null : this.#binding.readUsed();
  }

  /**
   * Reads use everywhere a limit is set and returns that of the group nearest to its limit.
   * @throws SpillwayError `read` or `malformed` when that of the own group cannot be read
   */
  read(nowMs: number): Usage {
    this.#own.read(nowMs);
    this.#binding = this.#own;
    let highest = ratioOf(this.#own);
    const consider = (each: MemoryLevel | HugePool | undefined) => {
      if (each === undefined || ratioOf(each) <= highest) return;
      highest = ratioOf(each);
      this.#binding = each;
    };
    consider(this.#own.huge?.read(nowMs));
    for (const { level, directory } of this.#ancestors) {
      if (level.limit === 'unlimited') continue;
      const good = this.#spared(directory, level, () => level.read(nowMs));
      if (good) consider(level);
      else this.#ancestors = this.#ancestors.filter((each) => each.level !== level);
    }
    return this.#binding.usage;
  }

  /** The limit that belongs to the last `read`. */
  get limit(): Limit {
    return this.#binding.limit;
  }

  /** What that limit is, where it is not the plain one of memory: `memory.high`, `memory and swap`, `hugetlb.2MB.max`. */
  get limitName(): string | undefined {
    return this.#binding.name;
  }

  /** OOM kills counted for the process's own group since it was made, or `null` where the kernel does not tell. */
  oomKills(): number | null {
    return this.#own.oomKills();
  }

  close(): void {
    for (const level of [this.#own, ...this.#ancestors.map((each) => each.level)]) level.close();
  }

  /** An ancestor that cannot be read costs itself: `false` then. */
  #spared(directory: string, level: MemoryLevel, read: () => void): boolean {
    try {
      read();
      return true;
    } catch (error) {
      level.close();
      this.#skip(directory, error);
      return false;
    }
  }

  #skip(directory: string, error: unknown): void {
    this.skipped.push({
      code: 'ancestor_unreadable',
      message: `the limit of ${directory} is unknown: ${messageOf(error)}`,
      hint: 'none; if that limit is the lowest, set --limit',
    });
  }
}

function ratioOf({ limit, usage }: Pick<MemoryLevel, 'limit' | 'usage'>): number {
  if (limit === 'unlimited') return -1;
  return limit > 0 ? unreclaimableBytes(usage) / limit : 1;
}
