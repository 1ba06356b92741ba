import type { Clock } from '../ports/ports.ts';

const SECOND_MS = 1000;

export interface TickLoopDeps {
  clock: Clock;
  /** The longest interval between two ticks, in milliseconds. */
  maxIntervalMs: number;
  /** Until the next tick, in milliseconds; asked for at the end of each. */
  intervalMs(): number;
  tick(nowMs: number): void;
  /** How long a tick took and how long after the one before it began, in seconds. */
  observe(durationSeconds: number, intervalSeconds: number): void;
}

/** Ticks until it is stopped; the next tick is armed when one has ended. */
export class TickLoop {
  readonly #deps: TickLoopDeps;
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

  /** Whether it has ticked lately: the guardian's own health, whatever the agent's. */
  get healthy(): boolean {
    const { clock, maxIntervalMs } = this.#deps;
    return this.#running && clock.now() - this.#startedMs < Math.max(SECOND_MS, 20 * maxIntervalMs);
  }

  start(): void {
    this.#running = true;
    this.#tick();
  }

  /** @returns false where it did not run */
  stop(): boolean {
    const ran = this.#running;
    this.#running = false;
    this.#timer?.cancel();
    return ran;
  }

  /** Makes the tick that is due. Called from every request, so that a flood of requests cannot delay it. */
  tickIfDue(): void {
    if (this.#running && this.#deps.clock.now() >= this.#dueMs) this.#tick();
  }

  #tick(): void {
    const { clock, tick, intervalMs, observe } = this.#deps;
    const now = clock.now();
    const sinceLastMs = now - this.#startedMs;
    this.#startedMs = now;
    this.#timer?.cancel();
    try {
      tick(now);
    } finally {
      observe((clock.now() - now) / 1000, sinceLastMs / 1000);
      if (this.#running) {
        this.#dueMs = clock.now() + intervalMs();
        this.#timer = clock.setTimer(() => this.#tick(), intervalMs());
      }
    }
  }
}
