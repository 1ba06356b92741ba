import { type Reading, ratioOf } from '../model/reading.ts';
import { LEVELS, type Level } from '../model/status.ts';

/** Raw readings kept: 5 s at the finest sampling interval of 5 ms; at rest all there are, as a whole reading comes each second. */
export const FINE_READINGS = 1024;
/** Readings kept from around transitions of the level after they left the fine ring. */
export const NEAR_READINGS = 2048;
/** Readings this close to a transition, before or after it, are worth keeping, in milliseconds. */
export const NEAR_MS = 2000;
/** One reading a second, the one with the highest ratio, for ten minutes. */
export const COARSE_READINGS = 600;
/** Transitions kept. */
export const TRANSITIONS = 100;

const COLUMNS = 8;
const NONE = -1;

/** One reading as `/v1/history` and post-mortems show it. Bytes; ratio 0…1. */
export interface HistoryReading {
  /** ISO time. */
  at: string;
  level: Level;
  ratio: number;
  usedBytes: number;
  reclaimableBytes: number;
  limitBytes: number;
  anonBytes: number | null;
  rssBytes: number;
}

/** One change of level as `/v1/history` and post-mortems show it. */
export interface Transition {
  /** ISO time. */
  at: string;
  from: Level;
  to: Level;
  ratio: number;
  reason: string;
}

/** What is kept, oldest first. */
export interface RenderedHistory {
  readings: HistoryReading[];
  transitions: Transition[];
}

/** Turns monotonic milliseconds into ISO time. */
export type ToIso = (atMs: number) => string;

/** One change of level as it is recorded; `atMs` in monotonic milliseconds. */
interface Change extends Omit<Transition, 'at'> {
  atMs: number;
}

/**
 * The last ten minutes of readings in bounded memory (230 KiB): fine now and around transitions, one a second before.
 * It is plain data and outlives the agent: nothing ages while nothing is added.
 */
export class HistoryStore {
  readonly #fine = new Ring(FINE_READINGS);
  readonly #near = new Ring(NEAR_READINGS);
  readonly #coarse = new Ring(COARSE_READINGS + 1); // one more for the second that has just begun
  readonly #transitions: Readonly<Change>[] = [];
  readonly #toIso: ToIso;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(toIso: ToIso) {
    this.#toIso = toIso;
  }

  /**
   * Copies the numbers of one reading, and the level it led to; allocates nothing. A reading that is not later than the
   * last one is ignored.
   */
  add(reading: Reading, level: Level): void {
    const { atMs } = reading;
    if (!(atMs > this.#lastMs)) return;
    const leaving = this.#fine.leaving();
    if (leaving !== NONE && this.#isNear(this.#fine.atMs(leaving))) this.#near.copy(this.#fine, leaving);
    const ratio = ratioOf(reading);
    this.#fine.write(this.#fine.claim(), reading, ratio, level);

    const newest = this.#coarse.newest();
    const sameSecond = newest !== NONE && Math.floor(atMs / 1000) === Math.floor(this.#lastMs / 1000);
    if (!sameSecond) this.#coarse.write(this.#coarse.claim(), reading, ratio, level);
    else if (ratio > this.#coarse.ratio(newest)) this.#coarse.write(newest, reading, ratio, level);
    this.#lastMs = atMs;
  }

  /** Records a change of level; the readings around it are kept finely. */
  transition(change: Readonly<Change>): void {
    this.#transitions.push(change);
    if (this.#transitions.length > TRANSITIONS) this.#transitions.shift();
  }

  /**
   * What is kept, in order of time, each reading once.
   * @param lastMs readings older than this before the newest are left out, in milliseconds; ten minutes by default, and at most
   */
  render(lastMs = COARSE_READINGS * 1000): RenderedHistory {
    return {
      readings: this.#readings(this.#lastMs - Math.min(lastMs, COARSE_READINGS * 1000)),
      transitions: this.#transitions.map(({ atMs, ...transition }) => ({
        at: this.#toIso(atMs),
        ...transition,
      })),
    };
  }

  #readings(fromMs: number): HistoryReading[] {
    const queues = [this.#coarse, this.#near, this.#fine].map((ring) => ({ ring, index: 0 }));
    const merged: HistoryReading[] = [];
    for (;;) {
      const earliestMs = Math.min(...queues.map(({ ring, index }) => ring.atMs(ring.row(index))));
      if (earliestMs === Number.POSITIVE_INFINITY) return merged;
      let done = earliestMs < fromMs;
      // The rings hold copies of the same readings: take it from one and step over it in all.
      for (const queue of queues) {
        const row = queue.ring.row(queue.index);
        if (queue.ring.atMs(row) !== earliestMs) continue;
        queue.index++;
        if (!done) merged.push(queue.ring.render(row, this.#toIso));
        done = true;
      }
    }
  }

  #isNear(atMs: number): boolean {
    for (let i = this.#transitions.length - 1; i >= 0; i--) {
      const transitionMs = this.#transitions[i]?.atMs ?? 0;
      if (Math.abs(transitionMs - atMs) <= NEAR_MS) return true;
      if (transitionMs < atMs) return false;
    }
    return false;
  }
}

/** A ring of rows of numbers; a row is known by the index of its first cell. */
class Ring {
  readonly #cells: Float64Array;
  readonly #capacity: number;
  #written = 0;

  constructor(capacity: number) {
    this.#cells = new Float64Array(capacity * COLUMNS);
    this.#capacity = capacity;
  }

  /** The row that the next claim will overwrite, or {@link NONE} while there is room. */
  leaving(): number {
    return this.#written < this.#capacity ? NONE : this.#cell(this.#written);
  }

  newest(): number {
    return this.#written === 0 ? NONE : this.#cell(this.#written - 1);
  }

  /** The row `index` places after the oldest, or {@link NONE} past the newest. */
  row(index: number): number {
    const length = Math.min(this.#written, this.#capacity);
    return index < length ? this.#cell(this.#written - length + index) : NONE;
  }

  /** A fresh row at the end. */
  claim(): number {
    return this.#cell(this.#written++);
  }

  write(row: number, reading: Reading, ratio: number, level: Level): void {
    const cells = this.#cells;
    cells[row] = reading.atMs;
    cells[row + 1] = ratio;
    cells[row + 2] = reading.usedBytes;
    cells[row + 3] = reading.reclaimableBytes;
    cells[row + 4] = reading.limitBytes;
    cells[row + 5] = reading.anonBytes ?? Number.NaN;
    cells[row + 6] = reading.rssBytes;
    cells[row + 7] = LEVELS.indexOf(level);
  }

  /** Appends a copy of another ring's row. */
  copy(other: Ring, row: number): void {
    const target = this.claim();
    for (let i = 0; i < COLUMNS; i++) this.#cells[target + i] = other.#at(row + i);
  }

  /** Monotonic milliseconds; no row is later than all others. */
  atMs(row: number): number {
    return row === NONE ? Number.POSITIVE_INFINITY : this.#at(row);
  }

  ratio(row: number): number {
    return this.#at(row + 1);
  }

  render(row: number, toIso: ToIso): HistoryReading {
    const anonBytes = this.#at(row + 5);
    return {
      at: toIso(this.#at(row)),
      level: LEVELS[this.#at(row + 7)] ?? 'ok',
      // Four digits are finer than any threshold and keep ten minutes of readings small.
      ratio: Math.round(this.#at(row + 1) * 1e4) / 1e4,
      usedBytes: this.#at(row + 2),
      reclaimableBytes: this.#at(row + 3),
      limitBytes: this.#at(row + 4),
      anonBytes: Number.isNaN(anonBytes) ? null : anonBytes,
      rssBytes: this.#at(row + 6),
    };
  }

  #at(cell: number): number {
    return this.#cells[cell] ?? Number.NaN;
  }

  #cell(count: number): number {
    return (count % this.#capacity) * COLUMNS;
  }
}
