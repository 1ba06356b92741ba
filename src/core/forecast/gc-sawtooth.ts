import { Series } from './series.ts';

const MIB = 1024 ** 2;

/** Floors nearer than this are of one collection: engines return memory in several pieces. */
const SAME_FLOOR_MS = 2_000;
/** A low that is not undercut for this long is a floor. */
const SETTLED_MS = 500;
/** Ten minutes of collections, one per 2 s at most. */
const FLOORS = 300;

/**
 * What a fall must be to count as a collection: 1 % of the limit, but at least 2 MiB (what an idle heap breathes) and
 * at most 16 MiB (a young generation of V8).
 */
export function visibleDropBytes(limitBytes: number): number {
  return Math.min(16 * MIB, Math.max(2 * MIB, limitBytes / 100));
}

/** The saw-tooth of a collected heap: each visible fall leaves a floor, the memory that collection could not free. */
export class GcSawtooth {
  /** Floors: time and bytes. */
  readonly floors = new Series(FLOORS);
  /** Size of the fall to each floor, at the same indices. */
  readonly drops = new Series(FLOORS);
  #peak = Number.NEGATIVE_INFINITY;
  #low = 0;
  #lowAt = 0;
  #falling = false;
  #peakBeforeFloor = Number.NEGATIVE_INFINITY;

  /** Height from which memory last fell visibly; `-Infinity` before the first fall. */
  get lastPeak(): number {
    return this.#peakBeforeFloor;
  }

  /** @returns whether this sample settled a floor */
  add(atMs: number, heldBytes: number, limitBytes: number): boolean {
    const visible = visibleDropBytes(limitBytes);
    if (!this.#falling) {
      if (heldBytes > this.#peak) this.#peak = heldBytes;
      if (this.#peak - heldBytes < visible) return false;
      this.#falling = true;
      this.#low = heldBytes;
      this.#lowAt = atMs;
      return false;
    }
    if (heldBytes < this.#low) {
      this.#low = heldBytes;
      this.#lowAt = atMs;
      return false;
    }
    if (atMs - this.#lowAt < SETTLED_MS && heldBytes - this.#low < visible) return false;
    this.#settle(heldBytes);
    return true;
  }

  /** The largest visible fall since a time, in bytes; 0 without one. */
  largestDrop(sinceMs: number): number {
    let largest = 0;
    for (let i = this.drops.firstSince(sinceMs); i < this.drops.length; i++)
      largest = Math.max(largest, this.drops.value(i));
    return largest;
  }

  clear(): void {
    this.floors.clear();
    this.drops.clear();
    this.#falling = false;
    this.#peak = Number.NEGATIVE_INFINITY;
    this.#peakBeforeFloor = Number.NEGATIVE_INFINITY;
  }

  #settle(heldBytes: number): void {
    const drop = this.#peak - this.#low;
    const last = this.floors.length - 1;
    if (last >= 0 && this.#lowAt - this.floors.time(last) < SAME_FLOOR_MS) {
      // One floor, the lower one, at one time for both series.
      if (this.#low <= this.floors.value(last)) this.floors.replaceLast(this.#lowAt, this.#low);
      this.drops.replaceLast(this.floors.time(last), Math.max(drop, this.drops.value(last)));
      this.#peakBeforeFloor = Math.max(this.#peakBeforeFloor, this.#peak);
    } else {
      this.floors.push(this.#lowAt, this.#low);
      this.drops.push(this.#lowAt, drop);
      this.#peakBeforeFloor = this.#peak;
    }
    this.#falling = false;
    this.#peak = heldBytes;
  }
}
