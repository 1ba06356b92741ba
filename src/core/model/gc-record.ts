import type { GcWay } from './heap.ts';

/** What came of a collection. */
export const GC_VERDICTS = ['freed', 'nothing_freed', 'not_returned', 'refused', 'timeout'] as const;
export type GcVerdict = (typeof GC_VERDICTS)[number];

/** One collection, or the attempt at one, as `lastGc`, the event and `POST /v1/gc` report it. */
export interface GcRecord {
  /** ISO time of its start. */
  at: string;
  verdict: GcVerdict;
  /** `null` when it did not come to it. */
  way: GcWay | null;
  /** Why it was asked for, in words. */
  trigger: string;
  /** Returned to the system: what left the cgroup or, where that is more, the resident memory. */
  freedBytes: number;
  freedCgroupBytes: number;
  freedRssBytes: number | null;
  /** What the heap and the memory held outside by its objects shrank by; `null` where the runtime does not report it. */
  freedHeapBytes: number | null;
  /** How long the agent's main loop was paused, in milliseconds. */
  stallMs: number;
  /** In words, with what can be done about it. */
  note: string;
  hint: string | null;
}
