/** What is looked back on: the lowest use of each second, as a runtime makes garbage and collects it. */
const WINDOW_MS = 30_000;
const SPAN_MS = 1000;
/** Two numbers in flight are compared where they differ by so many and so often: then use differs by more than by garbage. */
const DIFFERS = { by: 24, times: 1.5 };

/** Use at one moment. Monotonic milliseconds. */
export interface InFlightSample {
  atMs: number;
  usedBytes: number;
  inFlight: number;
}

interface Low extends InFlightSample {
  /** Against the moments before; `null` where nothing can be compared. */
  slope: number | null;
}

/**
 * By how much use is higher for each request more that is in flight. With many in flight it tells what one holds where starts and
 * ends tell nothing: as many start as end, and use stays.
 */
export class InFlightSlope {
  #lows: Low[] = [];
  #bytes = 0;

  /** Bytes for each: the median of half a minute, as garbage makes single moments too high or too low; 0 where nothing could be compared. */
  get bytes(): number {
    return this.#bytes;
  }

  add(sample: InFlightSample): void {
    const last = this.#lows.at(-1);
    if (!last || Math.floor(last.atMs / SPAN_MS) !== Math.floor(sample.atMs / SPAN_MS)) {
      this.#lows.push({ ...sample, slope: this.#slopeTo(sample) });
      if (sample.atMs - (this.#lows[0]?.atMs ?? 0) > WINDOW_MS) this.#lows.shift();
    } else if (sample.usedBytes <= last.usedBytes)
      Object.assign(last, sample, { slope: this.#slopeTo(sample) });
    else return;
    const slopes = this.#lows.flatMap(({ slope }) => slope ?? []).sort((a, b) => a - b);
    this.#bytes = slopes[Math.floor(slopes.length / 2)] ?? 0;
  }

  /** Against any moment with fewer in flight the least, as what is kept for good is of no request. */
  #slopeTo(now: InFlightSample): number | null {
    let least: number | null = null;
    for (const { usedBytes, inFlight } of this.#lows) {
      const more = now.inFlight - inFlight;
      if (more < DIFFERS.by || now.inFlight < DIFFERS.times * inFlight) continue;
      const each = Math.max(0, now.usedBytes - usedBytes) / more;
      least = Math.min(least ?? each, each);
    }
    return least;
  }
}
