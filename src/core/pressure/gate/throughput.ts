/** How much the last sample counts. */
const SHARE = 0.1;
/** Before anything has ended. */
const UNKNOWN_MS = 1000;

/** How long requests take, and by that how long others wait for them. */
export class Throughput {
  #durationMs: number | null = null;

  ended(durationMs: number): void {
    this.#durationMs =
      this.#durationMs === null ? durationMs : this.#durationMs + SHARE * (durationMs - this.#durationMs);
  }

  /** Mean duration of a request, in milliseconds. */
  get durationMs(): number {
    return this.#durationMs ?? UNKNOWN_MS;
  }

  /** How long it takes until so many have started if so many run at once, in milliseconds (Little's law). */
  waitMs(waiting: number, atOnce: number): number {
    return (waiting * this.durationMs) / Math.max(1, atOnce);
  }
}
