import { getHeapSpaceStatistics } from 'node:v8';
import type { HeapSize, LeftInUse } from '../../core/model/hook-messages.ts';
import { nowMs, quietly } from './quiet.ts';

/** From this share of its own limit on a heap is watched, just below where the guardian may warn: in calm nothing is. */
const WATCHED_FROM = 0.7;

/**
 * What V8's full collections leave in use, its own and those that are asked for: that is what is live, or somewhat less where it grows. Each takes a token with it,
 * whose end V8 tells at the next turn of the event loop; nothing piles up while that is blocked. `GCProfiler` and `PerformanceObserver` keep a
 * record of each collection until then, of which V8 makes some 900 a second near its limit: that was seen to fill the heap (Node 20).
 * The token is a symbol: V8 makes those in the old generation. A young object ends with the next scavenge (Node 26), which leaves all garbage in use.
 */
export class FullCollections {
  /** Made once it is needed: an agent that has taken the class away goes without. */
  #tokens: FinalizationRegistry<null> | undefined;
  #armed = false;
  #looked = false;
  #last: { bytes: number; atMs: number } | undefined;
  /** The least that was in use since the last one that V8 has reported. */
  #leastBytes = Number.POSITIVE_INFINITY;

  /** What the last one has left; `undefined` where none was watched. */
  look({ usedBytes, limitBytes }: HeapSize): LeftInUse | undefined {
    this.#looked = usedBytes >= WATCHED_FROM * limitBytes;
    if (this.#looked) {
      if (!this.#armed) this.#arm();
      this.#leastBytes = Math.min(this.#leastBytes, oldBytes());
    } else this.#last = undefined;
    return this.#last && { bytes: this.#last.bytes, agoMs: Math.round(nowMs() - this.#last.atMs) };
  }

  #arm(): void {
    this.#armed = true;
    this.#leastBytes = Number.POSITIVE_INFINITY;
    this.#tokens ??= new FinalizationRegistry<null>(() => quietly(() => this.#collected()));
    try {
      this.#tokens.register(Symbol(), null);
    } catch {
      this.#tokens.register({}, null); // before Node 20 that has to be an object, and all are kept by collections of the young generation
    }
  }

  #collected(): void {
    this.#armed = false;
    // who is not looked at any more is not watched
    if (!this.#looked) return;
    this.#looked = false;
    // the end of a token comes late where the process is busy, and then garbage is in use again
    this.#last = { bytes: Math.min(oldBytes(), this.#leastBytes), atMs: nowMs() };
    this.#arm();
  }
}

/** Without the young generation: what the limit is about. */
function oldBytes(): number {
  const old = getHeapSpaceStatistics().filter(({ space_name }) => !space_name.startsWith('new_'));
  return old.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}
