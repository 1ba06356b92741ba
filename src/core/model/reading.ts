/** Where the limit in force comes from, best first. */
export type LimitSource = 'option' | 'cgroup-v2' | 'cgroup-v1' | 'downward-api' | 'machine';
/** Where the use comes from, best first. `rss` is the sum over the agent's processes. */
export type UsageSource = 'cgroup-v2' | 'cgroup-v1' | 'rss';
/** What a limit file may say. "No limit" is a word, never a large number. */
export type Limit = number | 'unlimited';

/** Memory charged to the agent at one moment, in bytes. `null` is "this source does not tell". */
export interface Usage {
  /** Everything charged: `memory.current`, `memory.usage_in_bytes`, or the sum of RSS; with swap where there is room for it. */
  usedBytes: number;
  /** What the kernel can drop without killing anybody: file pages and reclaimable slab. */
  reclaimableBytes: number;
  anonBytes: number | null;
  /** tmpfs and shared memory: charged, and cannot be dropped. */
  shmemBytes: number | null;
  kernelBytes: number | null;
}

/** The agent's own heap against the limit at which its runtime gives up, in bytes. */
export interface HeapUse {
  /** Monotonic milliseconds at which the agent said so. */
  atMs: number;
  usedBytes: number;
  limitBytes: number;
  /** By how many bytes a second use rose between the last two looks; `null` after a single one. */
  riseBytesPerSecond: number | null;
}

/** One valid reading: use against the limit in force. */
export interface Reading extends Usage {
  /** Monotonic milliseconds (`performance.now()`), immune to clock steps. */
  atMs: number;
  limitBytes: number;
  limitSource: LimitSource;
  /**
   * What the kernel calls that limit, where it is not the plain one of memory: `memory.high`, `memory and swap`,
   * `hugetlb.2MB.max`. With swap, use is that of both, too.
   */
  limitName?: string | undefined;
  usageSource: UsageSource;
  /** RSS of the agent and all it started, from the last look at its processes; 0 before the first. */
  rssBytes: number;
  /** Known only while memory comes near what the heap may be; `null` otherwise. */
  heap: HeapUse | null;
}

/** Memory that cannot be dropped, in bytes. Never negative: the kernel does not update its counters atomically. */
export function unreclaimableBytes(usage: Pick<Usage, 'usedBytes' | 'reclaimableBytes'>): number {
  return Math.max(0, usage.usedBytes - usage.reclaimableBytes);
}

/** Share of the container's limit taken by memory that cannot be dropped (0…1, above 1 when a limit was lowered under the use). */
export function containerRatio(
  reading: Pick<Reading, 'usedBytes' | 'reclaimableBytes' | 'limitBytes'>,
): number {
  return reading.limitBytes > 0 ? unreclaimableBytes(reading) / reading.limitBytes : 1;
}

/** How near the end is: the share taken of the limit that is nearer, the container's or the heap's own. */
export function ratioOf(
  reading: Pick<Reading, 'usedBytes' | 'reclaimableBytes' | 'limitBytes'> & Partial<Pick<Reading, 'heap'>>,
): number {
  return Math.max(containerRatio(reading), heapRatio(reading));
}

/** Which limit {@link ratioOf} is about. */
export function limitedBy(reading: Reading): 'container' | 'heap' {
  return heapRatio(reading) > containerRatio(reading) ? 'heap' : 'container';
}

function heapRatio({ heap }: Partial<Pick<Reading, 'heap'>>): number {
  return heap && heap.limitBytes > 0 ? heap.usedBytes / heap.limitBytes : 0;
}
