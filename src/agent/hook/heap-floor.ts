import type { GateUse } from '../../core/pressure/gate/memory-room.ts';
import { ownHeap } from './own-heap.ts';

/** V8 collects a heap that comes near its limit within this time. */
const WINDOW_MS = 1500;

/**
 * The heap against its own limit, where that comes before the container's. Of what is in use much is garbage, which V8 collects before
 * it gives up: the least of the last 1.5 to 3 s is what collections have left.
 */
export class HeapFloor {
  #earlierBytes = Number.POSITIVE_INFINITY;
  #leastBytes = Number.POSITIVE_INFINITY;
  #sinceMs = 0;

  use(limitBytes: number, nowMs: number): GateUse[] {
    const { usedBytes, limitBytes: heapLimitBytes } = ownHeap();
    if (heapLimitBytes >= limitBytes) return [];
    if (nowMs - this.#sinceMs >= WINDOW_MS) {
      this.#earlierBytes = nowMs - this.#sinceMs < 2 * WINDOW_MS ? this.#leastBytes : usedBytes;
      this.#leastBytes = usedBytes;
      this.#sinceMs = nowMs;
    }
    this.#leastBytes = Math.min(this.#leastBytes, usedBytes);
    return [{ usedBytes: Math.min(this.#leastBytes, this.#earlierBytes), limitBytes: heapLimitBytes }];
  }
}
