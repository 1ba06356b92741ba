/**
 * How much of a larger sample is taken over at once, and of a smaller one: a heavy kind must not be forgotten for a light one. What ran
 * alone tells more, as what memory did was its own doing.
 */
const UP = 0.5;
const DOWN = { beside: 0.2, alone: 0.5 };
/** Kinds of requests with an estimate of their own; the rest share one. */
const MOST_KINDS = 64;
const KNOWN_SAMPLES = 5;

interface Estimate {
  mean: number;
  deviation: number;
  samples: number;
}

/** The bytes by which one more request raises memory use, by kind: mean and spread, by what memory did while requests ran. */
export class RequestCost {
  readonly #all: Estimate = { mean: 0, deviation: 0, samples: 0 };
  readonly #kinds = new Map<string, Estimate>();

  /** What one more request of this kind may add, in bytes; 0 before anything is known. */
  of(kind: string): number {
    return most(this.#kinds.get(kind) ?? this.#all);
  }

  /** Enough of this kind have ended to go by what they cost. */
  isKnown(kind: string): boolean {
    return (this.#kinds.get(kind)?.samples ?? 0) >= KNOWN_SAMPLES;
  }

  /** The same for any request. */
  get ofAny(): number {
    return most(this.#all);
  }

  /** One has ended that raised use by so much, shared evenly among those that started meanwhile. @param alone none did */
  learn(kind: string, bytes: number, alone: boolean): void {
    const down = alone ? DOWN.alone : DOWN.beside;
    blend(this.#all, bytes, down);
    let own = this.#kinds.get(kind);
    if (!own && this.#kinds.size < MOST_KINDS) {
      own = { mean: bytes, deviation: bytes / 2, samples: 1 };
      this.#kinds.set(kind, own);
    } else if (own) blend(own, bytes, down);
  }
}

function most({ mean, deviation }: Estimate): number {
  return mean + 1.5 * deviation;
}

function blend(estimate: Estimate, bytes: number, down: number): void {
  const off = bytes - estimate.mean;
  const share = off > 0 ? UP : down;
  estimate.samples++;
  estimate.mean += share * off;
  estimate.deviation += share * (Math.abs(off) - estimate.deviation);
}
