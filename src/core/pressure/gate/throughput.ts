/** How much the last sample counts. */
const SHARE = 0.1;
/** Before anything has ended. */
const UNKNOWN_MS = 1000;
/** Kinds of requests with durations of their own; the rest share one. */
const MOST_KINDS = 64;

interface Estimate {
  meanMs: number;
  deviationMs: number;
}

/** How long requests take, and by that how long others wait for them. */
export class Throughput {
  #all: Estimate | undefined;
  readonly #kinds = new Map<string, Estimate>();

  /** One of this kind has ended. */
  ended(kind: string, durationMs: number): void {
    this.#all = blend(this.#all, durationMs);
    const own = this.#kinds.get(kind);
    if (own || this.#kinds.size < MOST_KINDS) this.#kinds.set(kind, blend(own, durationMs));
  }

  /** Mean duration of a request, in milliseconds. */
  get durationMs(): number {
    return this.#all?.meanMs ?? UNKNOWN_MS;
  }

  /** Until one of this kind that has run for so long ends, at the latest as far as others of its kind tell: in milliseconds. */
  endsInMs(kind: string, ranMs: number): number {
    const { meanMs, deviationMs } = this.#kinds.get(kind) ?? this.#all ?? UNKNOWN;
    const leftMs = meanMs + 2 * deviationMs - ranMs;
    // one that outlasts its kind goes on for as long again
    return leftMs > 0 ? leftMs : ranMs;
  }

  /** How long it takes until so many have started if so many run at once, in milliseconds (Little's law). */
  waitMs(waiting: number, atOnce: number): number {
    return (waiting * this.durationMs) / Math.max(1, atOnce);
  }
}

const UNKNOWN: Estimate = { meanMs: UNKNOWN_MS, deviationMs: 0 };

function blend(estimate: Estimate | undefined, durationMs: number): Estimate {
  if (!estimate) return { meanMs: durationMs, deviationMs: durationMs / 4 };
  const off = durationMs - estimate.meanMs;
  return {
    meanMs: estimate.meanMs + SHARE * off,
    deviationMs: estimate.deviationMs + SHARE * (Math.abs(off) - estimate.deviationMs),
  };
}
