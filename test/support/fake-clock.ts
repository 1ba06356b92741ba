import type { Clock } from '../../src/core/ports/ports.ts';

interface Timer {
  atMs: number;
  fn: () => void;
}

/** A clock that moves only when told to. Timers run in the order of their due time, and all that one sets going runs before the next. */
export class FakeClock implements Clock {
  nowMs = 0;
  /** Wall-clock time at monotonic time 0; a test may step it. */
  wallOffsetMs = Date.parse('2026-01-01T00:00:00Z');
  #timers: Timer[] = [];
  #ids = 0;

  now = () => this.nowMs;
  wallMs = () => this.nowMs + this.wallOffsetMs;
  newId = () => `id-${++this.#ids}`;
  setTimer = (fn: () => void, ms: number) => {
    const timer = { atMs: this.nowMs + ms, fn };
    const after = this.#timers.findIndex(({ atMs }) => atMs > timer.atMs);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, timer);
    return { cancel: () => this.#remove(timer) };
  };

  sleep = (ms: number) => new Promise<void>((resolve) => void this.setTimer(resolve, ms));
  /** Runs what is pending now: microtasks, and callbacks of I/O that has ended. */
  settle = () => new Promise<void>((resolve) => void setImmediate(resolve));
  /** A time for people, of a monotonic one. */
  toIso = (atMs: number) => new Date(atMs + this.wallOffsetMs).toISOString();

  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await this.settle();
    for (let next = this.#timers[0]; next && next.atMs <= endMs; next = this.#timers[0]) {
      this.#remove(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.fn();
      await this.settle();
    }
    this.nowMs = endMs;
  }

  #remove(timer: Timer): void {
    const at = this.#timers.indexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }
}
