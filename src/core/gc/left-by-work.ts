/** So much of the work has to have ended: while the agent is drained, and where requests wait for memory. */
const ENDED = { drained: 0.5, waiting: 0.25 };
/** One of a few that ends is none of a share. */
const LEAST_WAITING = 4;
/** A collection that does not come about is waited for so long. */
const MOST_MS = 2000;

/** Why it matters: nothing new comes and SIGTERM is next, or requests wait for memory. */
export type Awaited = keyof typeof ENDED;

/**
 * What a collection leaves in use is that of the work in flight. Once much of that has ended, it is garbage that nobody
 * collects: an agent that admits nothing allocates nothing, and its runtime has no reason to.
 */
export class LeftByWork {
  #inFlight: number | null = null;
  #awaited: Awaited | null = null;
  #endedSinceMs: number | null = null;
  /** Since the last collection. */
  #allEnded = false;

  /** With so many requests in flight; `null` is not known. */
  collected(inFlight: number | null): void {
    this.#inFlight = inFlight;
    this.#endedSinceMs = null;
    this.#allEnded = false;
  }

  /** At each reading. Monotonic milliseconds. */
  follow(nowMs: number, inFlight: number | null, awaited: Awaited | null): void {
    // whoever drains the agent has not waited yet
    if (awaited !== this.#awaited) this.#endedSinceMs = null;
    this.#awaited = awaited;
    // then it stops nobody, however long it takes
    if (inFlight === 0 && !this.#allEnded) this.#endedSinceMs = null;
    this.#allEnded ||= inFlight === 0;
    this.#endedSinceMs = this.#hasEnded(inFlight, awaited) ? (this.#endedSinceMs ?? nowMs) : null;
  }

  /** For whom another collection may free what the last one could not; `null` where it would not. */
  outdated(nowMs: number): Awaited | null {
    return this.#endedSinceMs !== null && nowMs - this.#endedSinceMs < MOST_MS ? this.#awaited : null;
  }

  #hasEnded(now: number | null, awaited: Awaited | null): boolean {
    const before = this.#inFlight;
    if (!awaited || now === null || before === null) return false;
    if (before < (awaited === 'waiting' ? LEAST_WAITING : 1)) return false;
    return now <= (1 - ENDED[awaited]) * before;
  }
}
