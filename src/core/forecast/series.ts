/**
 * The latest points of a quantity over time, in rings allocated once: adding costs no memory.
 * Index 0 is the oldest point kept.
 */
export class Series {
  readonly #times: Float64Array;
  readonly #values: Float64Array;
  #next = 0;
  #length = 0;

  /** @param capacity points kept; the oldest goes when one more comes */
  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  static from({ times, values }: Points): Series {
    const series = new Series(times.length);
    times.forEach((time, i) => {
      series.push(time, at(values, i));
    });
    return series;
  }

  get length(): number {
    return this.#length;
  }

  push(time: number, value: number): void {
    this.#times[this.#next] = time;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#times.length;
    if (this.#length < this.#times.length) this.#length++;
  }

  replaceLast(time: number, value: number): void {
    const last = this.#index(this.#length - 1);
    this.#times[last] = time;
    this.#values[last] = value;
  }

  /** Time of point `i`; NaN outside `0…length-1`. */
  time(i: number): number {
    return i >= 0 && i < this.#length ? at(this.#times, this.#index(i)) : Number.NaN;
  }

  /** Value of point `i`; NaN outside `0…length-1`. */
  value(i: number): number {
    return i >= 0 && i < this.#length ? at(this.#values, this.#index(i)) : Number.NaN;
  }

  /** Index of the first point at or after `time`; `length` when there is none. */
  firstSince(time: number): number {
    let i = this.#length;
    while (i > 0 && this.time(i - 1) >= time) i--;
    return i;
  }

  /** A copy of the points from index `from` on, oldest first. */
  slice(from = 0): Points {
    const start = Math.max(0, from);
    const count = Math.max(0, this.#length - start);
    const times = new Float64Array(count);
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      times[i] = this.time(start + i);
      values[i] = this.value(start + i);
    }
    return { times, values };
  }

  clear(): void {
    this.#next = 0;
    this.#length = 0;
  }

  #index(i: number): number {
    const capacity = this.#times.length;
    return (this.#next - this.#length + i + capacity) % capacity;
  }
}

/** Points in order of time, for statistics. Both arrays have the same length. */
export interface Points {
  times: Float64Array;
  values: Float64Array;
}

/** Value at an index; NaN where there is none. */
export function at(values: Float64Array, i: number): number {
  return values[i] ?? Number.NaN;
}

/** Lowest and highest value of each window of time, each at the moment it was seen; windows without a sample leave no point. */
export class Windows {
  readonly minima: Series;
  readonly maxima: Series;
  readonly #widthMs: number;
  #window = Number.NEGATIVE_INFINITY;
  #min = 0;
  #minAt = 0;
  #max = 0;
  #maxAt = 0;

  constructor(widthMs: number, capacity: number) {
    this.#widthMs = widthMs;
    this.minima = new Series(capacity);
    this.maxima = new Series(capacity);
  }

  /** @returns whether this sample closed a window, that is, added a point */
  add(atMs: number, value: number): boolean {
    const window = Math.floor(atMs / this.#widthMs);
    if (window === this.#window) {
      if (value < this.#min) {
        this.#min = value;
        this.#minAt = atMs;
      }
      if (value > this.#max) {
        this.#max = value;
        this.#maxAt = atMs;
      }
      return false;
    }
    const closed = this.#window !== Number.NEGATIVE_INFINITY;
    if (closed) {
      this.minima.push(this.#minAt, this.#min);
      this.maxima.push(this.#maxAt, this.#max);
    }
    this.#window = window;
    this.#min = value;
    this.#minAt = atMs;
    this.#max = value;
    this.#maxAt = atMs;
    return closed;
  }

  /** Highest value of the window that is not closed yet; `null` before the first sample. */
  get highest(): { atMs: number; value: number } | null {
    return this.#window === Number.NEGATIVE_INFINITY ? null : { atMs: this.#maxAt, value: this.#max };
  }

  clear(): void {
    this.minima.clear();
    this.maxima.clear();
    this.#window = Number.NEGATIVE_INFINITY;
  }
}
