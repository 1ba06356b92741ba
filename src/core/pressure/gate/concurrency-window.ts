/** Requests at once in an agent of which nothing is known and that has little room: two documents of 60 MB may be too many. */
const INITIAL = 2;
/** A window that is not needed shrinks by half in this time: what it was learned from may be of another kind by now. */
const HALF_LIFE_MS = 10_000;
/** What is left of the window when memory comes near its line, and how soon it may shrink again. */
const DECREASE = 0.5;
const DECREASE_EVERY_MS = 1000;

/**
 * How many requests may be in flight, in TCP's way (RFC 5681, RFC 7661): it starts small, grows with each request that has shown
 * what it holds, doubling until memory first comes near its line and by one per round from then on, and is halved there.
 */
export class ConcurrencyWindow {
  #size = INITIAL;
  #threshold = Number.POSITIVE_INFINITY;
  #decreasedMs = Number.NEGATIVE_INFINITY;
  #neededMs = Number.NEGATIVE_INFINITY;

  /** Requests that may be in flight; never below one. */
  get size(): number {
    return Math.max(1, Math.floor(this.#size));
  }

  /** A request has shown what it holds, while others wait for it. */
  grow(nowMs: number): void {
    this.#neededMs = nowMs;
    this.#size += this.#size < this.#threshold ? 1 : 1 / this.#size;
  }

  /** Memory is near its line. */
  shrink(nowMs: number, inFlight: number): void {
    if (nowMs - this.#decreasedMs < DECREASE_EVERY_MS) return;
    this.#decreasedMs = nowMs;
    this.#threshold = Math.max(1, Math.min(this.#size, inFlight) * DECREASE);
    this.#size = this.#threshold;
  }

  /**
   * So many are in flight: what is far below the window no longer proves it.
   * @param free how many may be in flight unproven, by the memory that is free
   */
  validate(nowMs: number, inFlight: number, free: number): void {
    if (this.#threshold === Number.POSITIVE_INFINITY) this.#size = Math.max(this.#size, free);
    if (2 * inFlight >= this.#size || this.#neededMs === Number.NEGATIVE_INFINITY) {
      this.#neededMs = nowMs;
      return;
    }
    const unusedMs = nowMs - this.#neededMs;
    if (unusedMs < HALF_LIFE_MS) return;
    this.#neededMs = nowMs;
    this.#size = Math.max(INITIAL, free, 2 * inFlight, this.#size / 2);
  }
}
