import type { GcWay } from '../model/heap.ts';
import type { Runtime } from '../model/status.ts';

/** What stops the agent. Reading a profile collects first. */
export type Stop = GcWay | 'profile';

/** Milliseconds for each MB (10^6) of live heap, and what every stop costs however small the heap is. */
interface Price {
  perMB: number;
  least: number;
}

/**
 * The longest that was measured on two shared cores, for each runtime.
 *
 * - Node 20 and 24, up to 1.5 GB; a profile at 100 and 500 MB.
 * - JVM 17 and 25: G1 takes 2 ms for each MB of maps with strings, 0.03 of large arrays, and up to 5 of long linked lists.
 * - Python 3.11 and 3.13: a collection visits objects, not bytes: 1.8 ms for each MB of small ones, 0.05 of long strings.
 *   Its profile is a census that ends by itself.
 * - Go collects beside the program, and stops for less than 1 ms.
 */
const NODE: Readonly<Record<Stop, Price>> = {
  full: { perMB: 1.3, least: 26 },
  fast: { perMB: 0.36, least: 7 },
  profile: { perMB: 0.7, least: 20 },
};
const PRICES: Readonly<Record<Runtime, Readonly<Record<Stop, Price>>>> = {
  node: NODE,
  jvm: all({ perMB: 2, least: 40 }),
  python: { ...all({ perMB: 1.8, least: 20 }), profile: { perMB: 0, least: 200 } },
  go: all({ perMB: 0, least: 1 }),
  other: NODE,
};

const MB = 1e6;
/** To sweep garbage costs about a fifth of marking what is live: 106 ms against 464 ms at 500 MB. */
const GARBAGE_WEIGHT = 0.2;
/** A stop that should take less may take this long where CPU is rationed (a period of the kernel's): that says little of larger heaps. */
const RATION_MS = 100;
/** How fast earlier, worse runs are forgotten. */
const EASE = 0.3;
const FACTOR = { least: 0.01, most: 50 };

/**
 * How long something will stop the agent. What the last collection left costs at least what it cost then; what was added
 * since is taken for the worst that was measured, or for the like of what was there before. A run that took longer than
 * the one before counts in full, one that took less only in part; the first one, with nothing to compare it to, in full.
 */
export class StallEstimate {
  readonly #prices: Readonly<Record<Stop, Price>>;
  /** What this agent takes of what was measured. */
  readonly #factors: Partial<Record<Stop, number>> = {};
  /** … and took at the last collection; `undefined` before the first. */
  #last: number | undefined;
  /** Left by the last collection. */
  #liveBytes = 0;
  /** Of what is added, what stays; `undefined` before the first collection. */
  #staying: number | undefined;

  constructor(runtime: Runtime) {
    this.#prices = PRICES[runtime];
  }

  /** Whether a collection has shown what one takes. */
  get known(): boolean {
    return this.#staying !== undefined;
  }

  /** As if all that was added were live, and of the kind that takes longest; milliseconds. */
  worst(stop: Stop, heapBytes: number): number {
    return this.#of(stop, heapBytes, Math.max(1, this.#factorOf(stop)));
  }

  /** As if what was added were like what was there before, and as much of it live; milliseconds. */
  likely(stop: Stop, heapBytes: number): number {
    const staying = this.#staying ?? 1;
    const weight = staying + GARBAGE_WEIGHT * (1 - staying);
    return this.#of(stop, heapBytes, weight * this.#factorOf(stop));
  }

  /** Another process is asked from here on. */
  another(): void {
    this.#liveBytes = 0;
    this.#last = undefined;
  }

  /** A collection was made. */
  learn(way: GcWay, liveBytes: number, garbageBytes: number, stallMs: number): void {
    const bytes = liveBytes + GARBAGE_WEIGHT * garbageBytes;
    this.#calibrate(way, bytes, stallMs);
    this.#last = bounded(stallMs / this.#measuredMs(way, bytes));
    const added = Math.max(0, liveBytes + garbageBytes - this.#liveBytes);
    if (added > 0 || this.#staying === undefined) {
      const stayed = Math.min(1, Math.max(0, liveBytes - this.#liveBytes) / Math.max(1, added));
      this.#staying = eased(this.#staying, stayed);
    }
    this.#liveBytes = liveBytes;
  }

  /** A profile was read. */
  looked(heapBytes: number, stallMs: number): void {
    this.#calibrate('profile', heapBytes, stallMs);
  }

  #calibrate(stop: Stop, bytes: number, stallMs: number): void {
    const seen = stallMs / Math.max(RATION_MS, this.#measuredMs(stop, bytes));
    this.#factors[stop] = bounded(eased(this.#factors[stop], seen));
  }

  #measuredMs(stop: Stop, bytes: number): number {
    const { perMB, least } = this.#prices[stop];
    return Math.max(least, (perMB * bytes) / MB);
  }

  #of(stop: Stop, heapBytes: number, addedFactor: number): number {
    const { perMB, least } = this.#prices[stop];
    const leftFactor = Math.max(this.#last ?? 0, this.#factorOf(stop));
    const left = Math.min(heapBytes, this.#liveBytes);
    const weighed = leftFactor * left + addedFactor * (heapBytes - left);
    return Math.max(least * leftFactor, (perMB * weighed) / MB);
  }

  /** What one stop told of this heap and machine holds for the others more than nothing does. */
  #factorOf(stop: Stop): number {
    const { full, fast } = this.#factors;
    return this.#factors[stop] ?? full ?? fast ?? 1;
  }
}

function bounded(factor: number): number {
  return Math.min(FACTOR.most, Math.max(FACTOR.least, factor));
}

function eased(before: number | undefined, seen: number): number {
  return before === undefined || seen > before ? seen : before + EASE * (seen - before);
}

function all(price: Price): Readonly<Record<Stop, Price>> {
  return { full: price, fast: price, profile: price };
}
