import type { GcWay } from './reach.ts';

const MB = 1e6;
/** The longest stall seen per MB of live heap, Node 20 and 24 on two shared cores, up to 1.5 GB, in milliseconds. */
const MS_PER_LIVE_MB: Readonly<Record<GcWay, number>> = { thorough: 1.3, quick: 0.36 };
/** To sweep garbage costs about a fifth of marking what is live: 106 ms against 464 ms at 500 MB. */
const GARBAGE_WEIGHT = 0.2;
/** Below this size, what every collection costs is all there is. */
const LEAST_BYTES = 20 * MB;
/** How fast earlier, worse runs are forgotten. */
const EASE = 0.3;
const FACTOR = { least: 0.1, most: 50 };

/**
 * How long a collection will stop the agent: as if all of the heap were live, by the worst that was measured, and
 * calibrated by this agent's own runs. A run that took longer counts in full, one that took less only in part.
 */
export class StallEstimate {
  readonly #factor: Record<GcWay, number> = { thorough: 1, quick: 1 };

  /** In milliseconds. */
  of(way: GcWay, heapBytes: number): number {
    return this.#factor[way] * worst(way, heapBytes);
  }

  learn(way: GcWay, liveBytes: number, garbageBytes: number, stallMs: number): void {
    const seen = stallMs / worst(way, liveBytes + GARBAGE_WEIGHT * garbageBytes);
    const before = this.#factor[way];
    const factor = seen > before ? seen : before + EASE * (seen - before);
    this.#factor[way] = Math.min(FACTOR.most, Math.max(FACTOR.least, factor));
  }
}

function worst(way: GcWay, bytes: number): number {
  return (MS_PER_LIVE_MB[way] * Math.max(LEAST_BYTES, bytes)) / MB;
}
