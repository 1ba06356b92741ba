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
/**
 * The heaviest of a kind counts in place of the mean as long as less than this share of the limit is in use: then many may start at
 * once, heavy ones among light ones. Half of it is forgotten after so long, and after so many more of the kind.
 */
const HEAVIEST = { share: 2 / 3, halfMs: 8000, halfCount: 128 };
/** What use has risen by is shared among those that started meanwhile, or this share of those in flight before: their garbage counts, too. */
const BESIDE_SHARE = 0.25;

interface Estimate {
  mean: number;
  deviation: number;
  samples: number;
  heaviest: { bytes: number; atMs: number };
  /** Smaller samples since the last look at memory. */
  less: { bytes: number; count: number; down: number };
}

const NONE: Estimate = {
  ...{ mean: 0, deviation: 0, samples: 0 },
  heaviest: { bytes: 0, atMs: 0 },
  less: { bytes: 0, count: 0, down: 0 },
};

/** The bytes by which one more request raises memory use, by kind: mean and spread, by what memory did while requests ran. */
export class RequestCost {
  readonly #all: Estimate = { ...NONE };
  readonly #kinds = new Map<string, Estimate>();
  readonly #slope = new InFlightSlope();
  /** Those with smaller samples since the last look. */
  readonly #lessening = new Set<Estimate>();
  /** Each of those in flight holds so much, whatever its kind. */
  #leastBytes = 0;
  #nowMs = 0;
  #hasRoom = false;

  /** At each look at memory. */
  follow(sample: InFlightSample, limitBytes: number): void {
    this.#nowMs = sample.atMs;
    this.#hasRoom = sample.usedBytes < HEAVIEST.share * limitBytes;
    for (const estimate of this.#lessening) lessen(estimate);
    this.#lessening.clear();
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
    const own = this.#kinds.get(kind);
    if (own) this.#tell(own, bytes, down);
    else if (this.#kinds.size < MOST_KINDS)
      this.#kinds.set(kind, { ...NONE, mean: bytes, deviation: bytes / 2, samples: 1 });
    this.#tell(this.#all, bytes, down);
  }

  #tell(estimate: Estimate, bytes: number, down: number): void {
    estimate.samples++;
    const { less } = estimate;
    const before = this.#heaviest(estimate) * 0.5 ** (1 / HEAVIEST.halfCount);
    estimate.heaviest = { bytes: Math.max(bytes, before), atMs: this.#nowMs };
    if (bytes > estimate.mean) blend(estimate, bytes, UP);
    else {
      estimate.less = { bytes: less.bytes + bytes, count: less.count + 1, down: Math.max(less.down, down) };
      this.#lessening.add(estimate);
    }
  }

  #most(estimate: Estimate): number {
    const usual = estimate.mean + 1.5 * estimate.deviation;
    return Math.max(usual, this.#leastBytes, this.#hasRoom ? this.#heaviest(estimate) : 0);
  }

  #heaviest({ heaviest: { bytes, atMs } }: Estimate): number {
    return bytes * 0.5 ** ((this.#nowMs - atMs) / HEAVIEST.halfMs);
  }
}

/**
 * All that have ended between two looks at memory tell one thing, by their mean: where an event loop was busy, a hundred end
 * at once, and each saw the same collection.
 */
function lessen(estimate: Estimate): void {
  const { bytes, count, down } = estimate.less;
  blend(estimate, bytes / count, down);
  estimate.less = NONE.less;
}

function blend(estimate: Estimate, bytes: number, share: number): void {
  const off = bytes - estimate.mean;
  estimate.mean += share * off;
  estimate.deviation += share * (Math.abs(off) - estimate.deviation);
}
