import type { Entry } from './entry.ts';
import { type InFlightSample, InFlightSlope } from './in-flight-slope.ts';

/**
 * How much of a larger sample is taken over at once, and of a smaller one: a heavy kind must not be forgotten for a light one. What ran
 * alone tells more, as what memory did was its own doing.
 */
const UP = 0.5;
const DOWN = { beside: 0.2, alone: 0.5 };
/** Kinds of requests with an estimate of their own; the rest share one. */
const MOST_KINDS = 64;
const KNOWN_SAMPLES = 5;
/** What use has risen by is shared among those that started meanwhile, or this share of those in flight before: their garbage counts, too. */
const BESIDE_SHARE = 0.25;

interface Estimate {
  mean: number;
  deviation: number;
  samples: number;
}

/** The bytes by which one more request raises memory use, by kind: mean and spread, by what memory did while requests ran. */
export class RequestCost {
  readonly #all: Estimate = { mean: 0, deviation: 0, samples: 0 };
  readonly #kinds = new Map<string, Estimate>();
  readonly #slope = new InFlightSlope();
  /** Each of those in flight holds so much, whatever its kind. */
  #leastBytes = 0;

  /** At each look at memory. */
  follow(sample: InFlightSample): void {
    this.#slope.add(sample);
    this.#leastBytes = this.#slope.bytes;
  }

  /** What one more request of this kind may add, in bytes; 0 before anything is known. */
  of(kind: string): number {
    return this.#most(this.#kinds.get(kind) ?? this.#all);
  }

  /** Enough of this kind have ended to go by what they cost. */
  isKnown(kind: string): boolean {
    return (this.#kinds.get(kind)?.samples ?? 0) >= KNOWN_SAMPLES;
  }

  /** The same for any request. */
  get ofAny(): number {
    return this.#most(this.#all);
  }

  /**
   * One has ended.
   * @param grownBytes what use has risen by while it ran
   * @param started so many started meanwhile, itself included
   */
  learn(
    { request: { kind }, weight, besideCount }: Pick<Entry, 'request' | 'weight' | 'besideCount'>,
    { grownBytes, started }: { grownBytes: number; started: number },
  ): void {
    const bytes = grownBytes / Math.max(started, BESIDE_SHARE * besideCount) / weight;
    const down = started === 1 ? DOWN.alone : DOWN.beside;
    blend(this.#all, bytes, down);
    let own = this.#kinds.get(kind);
    if (!own && this.#kinds.size < MOST_KINDS) {
      own = { mean: bytes, deviation: bytes / 2, samples: 1 };
      this.#kinds.set(kind, own);
    } else if (own) blend(own, bytes, down);
  }

  #most({ mean, deviation }: Estimate): number {
    return Math.max(mean + 1.5 * deviation, this.#leastBytes);
  }
}

function blend(estimate: Estimate, bytes: number, down: number): void {
  const off = bytes - estimate.mean;
  const share = off > 0 ? UP : down;
  estimate.samples++;
  estimate.mean += share * off;
  estimate.deviation += share * (Math.abs(off) - estimate.deviation);
}
