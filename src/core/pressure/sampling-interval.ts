import { ONE_CORE } from '../model/fastest-growth.ts';
import { type Reading, unreclaimableBytes } from '../model/reading.ts';
import type { AgentProcess } from '../ports/ports.ts';
import type { Thresholds } from './level.ts';
import { canWait, type Growth, moves, nextIntervalMs, risePerSecond, wholeEveryMs } from './sampling.ts';

/** The thresholds and, in milliseconds, the bounds of the sampling interval. */
export interface SamplingOptions extends Thresholds {
  sampleMin: number;
  sampleMax: number;
}

/** Without an agent, or blind: a restart is found within this time. */
const LOST_MS = 200;
/** Use that has moved may go on to for so long. */
const MOVING_FOR_MS = 2000;

/** Anonymous memory bounds the heap from above: from this share of the heap's limit on it may come near it. */
const HEAP_SHARE = 0.5;

type Watched = Pick<AgentProcess, 'fastestGrowth' | 'exitTold' | 'heapLimitBytes'>;

/** How soon to look at memory again, and whether a glance was enough. */
export class SamplingInterval {
  #intervalMs: number;
  readonly #options: SamplingOptions;
  readonly #bounds: { minMs: number; maxMs: number };
  #heldBytes = 0;
  #risePerSecond = 0;
  #movedMs = Number.NEGATIVE_INFINITY;
  /** When memory was last read or glanced at. */
  #seenMs = Number.NEGATIVE_INFINITY;

  constructor(options: SamplingOptions) {
    this.#options = options;
    this.#bounds = { minMs: options.sampleMin, maxMs: options.sampleMax };
    this.#intervalMs = this.#lostMs;
  }

  /** Until the next tick, in milliseconds. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /**
   * Whether use at a glance shows that nothing has moved since `last`, so that a whole reading can wait.
   * @param pressed the level is above `ok`
   */
  glanced(usedBytes: number, last: Reading, nowMs: number, pressed: boolean): boolean {
    const leftMs = last.atMs + wholeEveryMs(pressed) - nowMs;
    if (!canWait(usedBytes, last, leftMs, this.#options)) return false;
    this.#heldBytes = Math.max(0, usedBytes - last.reclaimableBytes);
    this.#risePerSecond = 0;
    this.#seenMs = nowMs;
    return true;
  }

  /** Sets the interval after a whole reading. */
  read(reading: Reading, agent: Watched, nowMs: number): void {
    const heldBytes = unreclaimableBytes(reading);
    const { limitBytes } = reading;
    const grown = heldBytes - this.#heldBytes;
    this.#risePerSecond = risePerSecond(this.#risePerSecond, grown, nowMs - this.#seenMs);
    if (moves(grown, limitBytes)) this.#movedMs = nowMs;
    this.#heldBytes = heldBytes;
    this.#seenMs = nowMs;
    this.#intervalMs = nextIntervalMs(
      {
        ...{ heldBytes, limitBytes, risePerSecond: this.#risePerSecond },
        ...{ fastest: agent.fastestGrowth?.(nowMs) ?? ONE_CORE, exitTold: agent.exitTold ?? false },
        moving: this.#moving(reading, agent, nowMs),
      },
      this.#options,
      this.#bounds,
    );
  }

  /** Nothing could be read: there is nothing to go by. */
  lost(): void {
    this.#intervalMs = this.#lostMs;
    this.#risePerSecond = 0;
    this.#seenMs = Number.NEGATIVE_INFINITY;
  }

  #moving({ anonBytes }: Reading, { heapLimitBytes }: Watched, nowMs: number): Growth['moving'] {
    if (nowMs - this.#movedMs >= MOVING_FOR_MS) return null;
    const bounded = anonBytes ?? this.#heldBytes;
    return heapLimitBytes !== null && bounded >= HEAP_SHARE * heapLimitBytes ? 'heap' : 'usual';
  }

  get #lostMs(): number {
    return Math.min(LOST_MS, this.#options.sampleMax);
  }
}
