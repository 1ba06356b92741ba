import { type Backoff, waitAfter } from '../lib/backoff.ts';

export type RestartMode = 'no' | 'on-failure' | 'always';

/** How one life of the wrapped command ended. */
export interface LifeEnd {
  /** As a shell would give it: the code, or 128 + the signal's number. */
  status: number;
  livedMs: number;
  /** The guardian had asked it to end. */
  recycled: boolean;
}

/** After the first wait of 0: 1, 2, 4 … 60 s. */
const WAIT_MS: Backoff = { first: 1_000, longest: 60_000 };
/** A life this long was a healthy one: what was before no longer counts. */
const HEALTHY_MS = 60_000;
/** Waits are spread by this share up and down, so that replicas that died together do not start together. */
const SPREAD = 0.1;
/** A shell or `env` that cannot start the program ends like this, at once. */
const NOT_STARTED = new Set([126, 127]);
const AT_ONCE_MS = 1_000;

/** When to start a wrapped command again that has ended, over all its lives. */
export class RestartPolicy {
  readonly #mode: RestartMode;
  #inRow = 0;

  constructor(mode: RestartMode) {
    this.#mode = mode;
  }

  /**
   * @param chance 0…1, spreads the wait
   * @returns milliseconds to wait before the next start; `null` when the command is not restarted
   */
  next({ status, livedMs, recycled }: LifeEnd, chance: number): number | null {
    if (this.#mode === 'no') return null;
    if (this.#mode === 'on-failure' && status === 0 && !recycled) return null;
    if (NOT_STARTED.has(status) && livedMs < AT_ONCE_MS) return null;
    if (livedMs >= HEALTHY_MS) this.#inRow = 0;
    if (recycled) return 0; // the plan of recycling has a budget of its own
    return waitAfter(WAIT_MS, this.#inRow++) * (1 - SPREAD + 2 * SPREAD * chance);
  }
}
