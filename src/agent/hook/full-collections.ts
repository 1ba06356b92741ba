import { GCProfiler, type GCProfilerResult } from 'node:v8';
import type { HeapSize, LeftInUse } from '../../core/model/hook-messages.ts';
import { every, nowMs, type Waiting } from './quiet.ts';

/** From this share of its own limit on a heap is watched, just below where the guardian may warn: in calm nothing is. */
const WATCHED_FROM = 0.7;
/** What the profiler keeps of each collection, some 3 KB outside of the heap, is taken out so often. */
const DRAIN_MS = 1000;
type Heap = GCProfilerResult['statistics'][number]['afterGC'];

/** V8's name of a full collection; others leave garbage. */
const FULL = 'MarkSweepCompact';

/**
 * What V8's full collections leave in use, its own and those that are asked for: exactly that is live. Watched only near the limit, while
 * the process serves: each collection then costs some 50 µs more.
 */
export class FullCollections {
  #profiler: GCProfiler | undefined;
  #draining: Waiting | undefined;
  #looked = false;
  #last: { bytes: number; atMs: number } | undefined;

  /** What the last one has left; `undefined` where none was watched. */
  look({ usedBytes, limitBytes }: HeapSize): LeftInUse | undefined {
    this.#looked = true;
    const near = usedBytes >= WATCHED_FROM * limitBytes;
    if (this.#profiler || near) this.#drain(near);
    return this.#last && { bytes: this.#last.bytes, agoMs: Math.round(nowMs() - this.#last.atMs) };
  }

  #drain(goesOn: boolean): void {
    for (const { gcType, afterGC } of this.#profiler?.stop()?.statistics ?? [])
      if (gcType === FULL) this.#last = { bytes: old(afterGC), atMs: nowMs() };
    this.#profiler = undefined;
    if (!goesOn) {
      this.#draining?.cancel();
      this.#draining = undefined;
      this.#last = undefined;
      return;
    }
    this.#profiler = new GCProfiler();
    this.#profiler.start();
    this.#draining ??= every(DRAIN_MS, () => {
      this.#drain(this.#looked);
      this.#looked = false;
    });
  }
}

/** Without the young generation: what the limit is about. */
function old({ heapStatistics, heapSpaceStatistics }: Heap): number {
  const young = heapSpaceStatistics.filter(({ spaceName }) => spaceName.startsWith('new_'));
  return heapStatistics.usedHeapSize - young.reduce((sum, { spaceUsedSize }) => sum + spaceUsedSize, 0);
}
