/** No window of this length holds more stall than its share. */
const WINDOW_MS = 60_000;

/**
 * How long the agent may still be stopped: a share of wall time, over any 60 seconds, and no more than the share of the
 * time since it was found. What a run took beyond its estimate is paid off before the next one starts.
 */
export class StallBudget {
  readonly #share: number;
  readonly #sinceMs: number;
  /** What counts, and until when. */
  #spent: { stallMs: number; untilMs: number }[] = [];

  /** @param share 0…1; 0 allows nothing */
  constructor(share: number, sinceMs: number) {
    this.#share = share;
    this.#sinceMs = sinceMs;
  }

  spend(stallMs: number, endedMs: number): void {
    if (!(stallMs > 0) || this.#share <= 0) return;
    // one long run weighs until its own share of time has passed, also when that is more than the window
    const untilMs = endedMs + Math.max(WINDOW_MS, stallMs / this.#share);
    this.#spent = this.#spent.filter((entry) => entry.untilMs > endedMs);
    this.#spent.push({ stallMs, untilMs });
  }

  /** Stall that may be spent now, in milliseconds; below 0 while a run that took too long is paid off. */
  credit(nowMs: number): number {
    const spent = this.#spent.reduce((sum, { stallMs, untilMs }) => sum + (untilMs > nowMs ? stallMs : 0), 0);
    return this.#share * Math.min(WINDOW_MS, Math.max(0, nowMs - this.#sinceMs)) - spent;
  }

  /** When there is credit for so long a stall; `null` when there never will be. */
  enoughAtMs(stallMs: number, nowMs: number): number | null {
    if (this.#share <= 0 || stallMs > this.#share * WINDOW_MS) return null;
    // credit only rises while nothing is spent, in steps where a run stops to count and evenly in the first minute
    const steps = this.#spent.map(({ untilMs }) => untilMs).filter((untilMs) => untilMs > nowMs);
    for (const atMs of [nowMs, ...steps.sort((a, b) => a - b)]) {
      const missingMs = stallMs - this.credit(atMs);
      if (missingMs <= 0) return atMs;
      const grownMs = Math.floor(atMs + missingMs / this.#share) + 1;
      // a step may come before that: then it is earlier by what the step gives
      const nextStep = steps.find((untilMs) => untilMs > atMs) ?? Number.POSITIVE_INFINITY;
      if (grownMs <= this.#sinceMs + WINDOW_MS && grownMs < nextStep) return grownMs;
    }
    return null;
  }
}
