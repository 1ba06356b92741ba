import { type Reading, unreclaimableBytes } from '../model/reading.ts';
import type { Thresholds } from './level.ts';
import { canWait, nextIntervalMs, risePerSecond } from './sampling.ts';

/** The thresholds and, in milliseconds, the bounds of the sampling interval. */
export interface SamplingOptions extends Thresholds {
  sampleMin: number;
  sampleMax: number;
}

/** How soon to look at memory again, and whether a glance was enough. */
export class SamplingInterval {
  #intervalMs: number;
  readonly #options: SamplingOptions;
  #heldBytes = 0;
  #risePerSecond = 0;
  /** When memory was last read or glanced at. */
  #seenMs = Number.NEGATIVE_INFINITY;

  constructor(options: SamplingOptions) {
    this.#options = options;
    this.#intervalMs = options.sampleMax;
  }

  /** Until the next tick, in milliseconds. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** Whether use at a glance shows that nothing has moved since `last`, so that a whole reading can wait. */
  glanced(usedBytes: number, last: Reading, nowMs: number): boolean {
    if (!canWait(usedBytes, last, nowMs - last.atMs, this.#options)) return false;
    this.#heldBytes = Math.max(0, usedBytes - last.reclaimableBytes);
    this.#risePerSecond = 0;
    this.#seenMs = nowMs;
    return true;
  }

  /** Sets the interval after a whole reading. */
  read(reading: Reading, nowMs: number): void {
    const { sampleMin, sampleMax } = this.#options;
    const held = unreclaimableBytes(reading);
    this.#risePerSecond = risePerSecond(this.#risePerSecond, held - this.#heldBytes, nowMs - this.#seenMs);
    this.#heldBytes = held;
    this.#seenMs = nowMs;
    this.#intervalMs = nextIntervalMs(
      { heldBytes: held, limitBytes: reading.limitBytes, risePerSecond: this.#risePerSecond },
      this.#options,
      { minMs: sampleMin, maxMs: sampleMax },
    );
  }

  /** Nothing could be read: there is no hurry and nothing to go by. */
  lost(): void {
    this.#intervalMs = this.#options.sampleMax;
    this.#risePerSecond = 0;
    this.#seenMs = Number.NEGATIVE_INFINITY;
  }
}
