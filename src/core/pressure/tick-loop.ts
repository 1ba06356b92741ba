import type { Clock } from '../ports/ports.ts';

/** A tick that is later than this is missing. */
const LATE_MS = 1000;
/** Who is answered is awake already: a look that old is taken anew for the answer, which keeps it as fresh as a short interval would. */
const FRESH_MS = 50;

export interface TickLoopDeps {
  clock: Clock;
  /** Until the next tick, in milliseconds; asked for at the end of each. */
  intervalMs(): number;
  tick(nowMs: number): void;
  /** How long a tick took and how long after the one before it began, in seconds. */
  observe(durationSeconds: number, intervalSeconds: number): void;
}

/** Ticks until it is stopped; the next tick is armed when one has ended. */
export class TickLoop {
  readonly #deps: TickLoopDeps;
  readonly #onTimer = () => {
    this.#timer = undefined;
    this.#tick(this.#deps.clock.now());
  };
  #running = false;
  #timer: { cancel(): void } | undefined;
  #startedMs: number;
  #dueMs = 0;

  constructor(deps: TickLoopDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
  }

  get running(): boolean {
    return this.#running;
  }

  /** Whether it ticks when a tick is due: the guardian's own health, whatever the agent's. */
  get healthy(): boolean {
    return this.#running && this.#deps.clock.now() - this.#dueMs < LATE_MS;
  }

  start(): void {
    this.#running = true;
    this.#tick(this.#deps.clock.now());
  }

  /** @returns false where it did not run */
  stop(): boolean {
    const ran = this.#running;
    this.#running = false;
    this.#timer?.cancel();
    return ran;
  }

  /** Makes the tick that is due, or whose look is not fresh. Called from every request, so that a flood of requests cannot delay it. */
  tickIfDue(): void {
    const now = this.#deps.clock.now();
    if (this.#running && now >= Math.min(this.#dueMs, this.#startedMs + FRESH_MS)) this.#tick(now);
  }

  /** Ticks at once: something has happened that the next tick would find. */
  tickNow(): void {
    if (this.#running) this.#tick(this.#deps.clock.now());
  }

  #tick(now: number): void {
    const { clock, tick, intervalMs, observe } = this.#deps;
    const sinceLastMs = now - this.#startedMs;
    this.#startedMs = now;
    this.#timer?.cancel();
    try {
      tick(now);
    } finally {
      const endMs = clock.now();
      observe((endMs - now) / 1000, sinceLastMs / 1000);
      if (this.#running) {
        const waitMs = intervalMs();
        this.#dueMs = endMs + waitMs;
        this.#timer = clock.setTimer(this.#onTimer, waitMs);
      }
    }
  }
}
