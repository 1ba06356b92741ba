import { confirmHeap, UNCROSSED } from '../core/heap-confirm.ts';
import { askHeapEveryMs, type HeapLook, heapAdvice } from '../core/near-heap-limit.ts';
import type { HeapFacts, ReachError } from '../core/reach.ts';
import { type HeapUse, heldBytes, type Reading } from '../core/reading.ts';
import type { CareDeps } from './deps.ts';
import type { Present } from './present.ts';

/** What the heap was is no longer what it is, when the agent has not answered for so long. */
const STALE_MS = 10_000;

/** Watches the heap against its own limit: what of it counts, how often it is to be asked for, what to set otherwise. */
export class HeapWatch {
  /** What counts against the limit; `null` while that is not known. */
  use: HeapUse | null = null;
  advice: string[] = [];

  readonly #present: Present;
  readonly #deps: CareDeps;
  #confirmation = UNCROSSED;
  #collected = { atMs: Number.NEGATIVE_INFINITY, leftBytes: 0 };
  #limitBytes: number | null = null;
  #look: HeapLook | null = null;
  #told = false;
  /** What the advice is about; it is worked out anew only when that changes. */
  #advised = { bytes: 0, limitBytes: 0 };

  constructor(present: Present, deps: CareDeps) {
    this.#present = present;
    this.#deps = deps;
  }

  /** Advises, at each round of the loop. */
  attend({ limitBytes, limitSource }: Reading): void {
    const { heapLimitSet, heapLimitBytes } = this.#present.life;
    // of a number that was set the advice is about that number; V8 makes somewhat more of it
    const bytes = heapLimitSet ? heapLimitBytes : (this.#limitBytes ?? heapLimitBytes);
    if (bytes === null || limitSource === 'machine') return;
    if (bytes === this.#advised.bytes && limitBytes === this.#advised.limitBytes) return;
    this.#advised = { bytes, limitBytes };
    const advice = heapAdvice({
      heapLimitBytes: bytes,
      containerLimitBytes: limitBytes,
      explicit: heapLimitSet,
    });
    this.advice = advice ? [advice.message] : [];
    if (!advice || this.#told) return;
    this.#told = true;
    this.#deps.tell({ reason: 'HeapLimitTooHigh', type: 'Warning', note: advice.message });
  }

  /** How often the heap is to be asked for because its own limit may be near, in milliseconds; `null`: not at all. */
  askEveryMs(reading: Reading): number | null {
    const limitBytes = this.#limitBytes ?? this.#present.life.heapLimitBytes;
    if (limitBytes === null) return null;
    return askHeapEveryMs(reading.anonBytes ?? heldBytes(reading), limitBytes, this.#look);
  }

  /** Takes in what the runtime said of its heap. */
  see({ limitBytes, limitedBytes: usedBytes }: HeapFacts): void {
    if (limitBytes === null) return;
    this.#limitBytes = limitBytes;
    const { reading } = this.#present.situation;
    this.#look = { usedBytes, anonBytes: reading.anonBytes ?? heldBytes(reading) };
    const { clock, options } = this.#deps;
    const use = { atMs: clock.now(), usedBytes, limitBytes };
    const { state, heap } = confirmHeap(this.#confirmation, use, this.#collected, options.shedRatio);
    this.#confirmation = state;
    this.use = heap;
  }

  /** Nobody asks any more. */
  forget(): void {
    this.use = null;
  }

  /** A collection ended: what it left is live. */
  collected(atMs: number, after: HeapFacts | null): void {
    this.#collected = { atMs, leftBytes: after?.limitedBytes ?? 0 };
  }

  /** The runtime did not answer. One that is late is busy, perhaps with its own collections: what it said last stands. */
  unanswered({ outcome }: ReachError): void {
    const heardMs = this.use?.atMs ?? Number.NEGATIVE_INFINITY;
    if (outcome === 'refused' || this.#deps.clock.now() - heardMs >= STALE_MS) this.use = null;
  }
}
