/** How much the last sample counts. */
const SHARE = 0.1;
/** Before anything has ended. */
const UNKNOWN_MS = 1000;
/** Kinds of requests with durations of their own; the rest share one. */
const MOST_KINDS = 64;

const OUTLASTS = 3;
/** A wait of up to so many times as long as the first that waits has waited is borne out by it. */
const BORNE_OUT = 3.5;

interface Estimate {
  meanMs: number;
  deviationMs: number;
}

/** How long requests take, and by that how long others wait for them. */
export class Throughput {
  #all: Estimate | undefined;
  /** How long one keeps others waiting. */
  #counted: Estimate | undefined;
  readonly #kinds = new Map<string, Estimate>();

  /**
   * One of this kind has ended.
   * @param lastingMs after so long it keeps nobody waiting
   */
  ended(kind: string, durationMs: number, lastingMs = Number.POSITIVE_INFINITY): void {
    this.#all = blend(this.#all, durationMs);
    this.#counted = blend(this.#counted, Math.min(durationMs, lastingMs));
    const own = this.#kinds.get(kind);
    if (own || this.#kinds.size < MOST_KINDS) this.#kinds.set(kind, blend(own, durationMs));
  }

  /** Mean duration of a request, in milliseconds. */
  get durationMs(): number {
    return this.#all?.meanMs ?? UNKNOWN_MS;
  }

  /** The same of this kind or of any, whichever is longer. */
  longerMs(kind: string): number {
    return Math.max(this.durationMs, this.#kinds.get(kind)?.meanMs ?? 0);
  }

  /**
   * Until one of this kind that has run for so long ends, at the latest as far as others of its kind tell: in milliseconds; one that outlasts them
   * goes on for as long again, and no longer than `OUTLASTS` of them.
   * @param lasting it may never end, unless others of its kind have taken as long
   */
  endsInMs(kind: string, ranMs: number, lasting: boolean): number {
    const own = this.#kinds.get(kind);
    const { meanMs, deviationMs } = own ?? this.#all ?? UNKNOWN;
    const usualMs = meanMs + 2 * deviationMs;
    if (own ? ranMs < usualMs : !lasting && ranMs < usualMs) return usualMs - ranMs;
    if (lasting) return 0;
    return own ? Math.min(ranMs, OUTLASTS * usualMs) : ranMs;
  }

  /** How long it takes until so many have started if so many run at once, but for those that last, in milliseconds (Little's law). */
  waitMs(waiting: number, atOnce: number): number {
    return (waiting * (this.#counted?.meanMs ?? UNKNOWN_MS)) / Math.max(1, atOnce);
  }
}

/**
 * A wait that is estimated, as far as the first that waits bears it out: long requests end seldom, and where memory has room the next
 * starts long before one does.
 */
export function borneOutMs(estimatedMs: number, waitedMs: number): number {
  return Math.max(waitedMs, Math.min(estimatedMs, BORNE_OUT * waitedMs));
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
