/** How much of a larger sample is taken over at once, and of a smaller one: a heavy kind must not be forgotten for a light one. */
const UP = 0.5;
const DOWN = 0.1;
/** Kinds of requests with an estimate of their own; the rest share one. */
const MOST_KINDS = 64;

interface Estimate {
  mean: number;
  deviation: number;
}

/** The bytes by which one more request raises memory use, by kind: mean and spread, by what memory did while requests ran. */
export class RequestCost {
  readonly #all: Estimate = { mean: 0, deviation: 0 };
  readonly #kinds = new Map<string, Estimate>();

  /** What one more request of this kind may add, in bytes; 0 before anything is known. */
  of(kind: string): number {
    const { mean, deviation } = this.#kinds.get(kind) ?? this.#all;
    return mean + 1.5 * deviation;
  }

  /** One has ended that raised use by so much, shared evenly among those that started meanwhile. */
  learn(kind: string, bytes: number): void {
    blend(this.#all, bytes);
    let own = this.#kinds.get(kind);
    if (!own && this.#kinds.size < MOST_KINDS) {
      own = { mean: bytes, deviation: bytes / 2 };
      this.#kinds.set(kind, own);
    } else if (own) blend(own, bytes);
  }
}

function blend(estimate: Estimate, bytes: number): void {
  const off = bytes - estimate.mean;
  const share = off > 0 ? UP : DOWN;
  estimate.mean += share * off;
  estimate.deviation += share * (Math.abs(off) - estimate.deviation);
}
