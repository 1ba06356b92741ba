import { type Constraint, constraintRatio, nearestOf } from './constraint.ts';

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
  /** tmpfs and shared memory: charged, and unreclaimable. */
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
  /** Constraints beside memory. */
  others: readonly Constraint[];
}

/** Unreclaimable memory, in bytes. Never negative: the kernel does not update its counters atomically. */
export function unreclaimableBytes(usage: Pick<Usage, 'usedBytes' | 'reclaimableBytes'>): number {
  return Math.max(0, usage.usedBytes - usage.reclaimableBytes);
}

/** Share of the container's limit taken by unreclaimable memory (0…1, above 1 when a limit was lowered under the use). */
export function containerRatio(
  reading: Pick<Reading, 'usedBytes' | 'reclaimableBytes' | 'limitBytes'>,
): number {
  return reading.limitBytes > 0 ? unreclaimableBytes(reading) / reading.limitBytes : 1;
}

type MemoryUse = Pick<Reading, 'usedBytes' | 'reclaimableBytes' | 'limitBytes'> &
  Partial<Pick<Reading, 'heap'>>;

/** The share taken of the memory limit that is nearer, the container's or the heap's own. */
export function memoryRatio(reading: MemoryUse): number {
  return Math.max(containerRatio(reading), heapRatio(reading));
}

/** Which limit {@link memoryRatio} is about. */
export function memoryLimitedBy(reading: MemoryUse): 'container' | 'heap' {
  return heapRatio(reading) > containerRatio(reading) ? 'heap' : 'container';
}

/** The constraint beside memory that is nearest to its end, where it is nearer than memory is. */
export function nearestOther(reading: MemoryUse & Partial<Pick<Reading, 'others'>>): Constraint | null {
  const nearest = nearestOf(reading.others ?? []);
  return nearest && constraintRatio(nearest) > memoryRatio(reading) ? nearest : null;
}

/** How near the end is: the highest ratio of all constraints. */
export function ratioOf(reading: MemoryUse & Partial<Pick<Reading, 'others'>>): number {
  const other = nearestOther(reading);
  return other ? constraintRatio(other) : memoryRatio(reading);
}

/** The name of the constraint that {@link ratioOf} is about. */
export function limitedBy(reading: Reading): string {
  return nearestOther(reading)?.name ?? memoryLimitedBy(reading);
}

const MEMORY_REMEDIES: Constraint['helps'] = new Set(['gc', 'shed', 'recycle']);

/** All constraints of a reading, memory first. */
export function constraintsOf(reading: Reading): Constraint[] {
  const { heap, limitBytes, usageSource, limitSource, others } = reading;
  const container: Constraint = {
    ...{ name: 'container', used: unreclaimableBytes(reading), limit: limitBytes, unit: 'bytes' },
    ...{
      source: limitSource === usageSource ? usageSource : `${usageSource}, ${limitSource}`,
      helps: MEMORY_REMEDIES,
    },
  };
  const its: Constraint[] = heap
    ? [
        {
          ...{ name: 'heap', used: heap.usedBytes, limit: heap.limitBytes, unit: 'bytes' },
          ...{ source: 'runtime', helps: MEMORY_REMEDIES },
        },
      ]
    : [];
  return [container, ...its, ...others];
}

function heapRatio({ heap }: Partial<Pick<Reading, 'heap'>>): number {
  return heap && heap.limitBytes > 0 ? heap.usedBytes / heap.limitBytes : 0;
}
