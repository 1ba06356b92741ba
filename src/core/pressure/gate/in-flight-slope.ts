/** What is looked back on: the lowest use of each second, as a runtime makes garbage and collects it. */
const WINDOW_MS = 30_000;
const SPAN_MS = 1000;
/**
 * Two numbers in flight are compared where they differ by so many and so often: then use differs by more than by garbage. From so many
 * on: below, use is as much higher for all that an agent loads as it begins to serve.
 */
const DIFFERS = { from: 24, by: 24, times: 1.5 };
/** With up to so many times more in flight, about as many are. */
const AS_MANY = 1.25;
/** What has ended is garbage for a while, and is collected by then. */
const COLLECTED_MS = 5000;

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
      this.#lows = this.#lows.filter(({ atMs }) => sample.atMs - atMs < WINDOW_MS);
      this.#lows.push({ ...sample, slope: this.#slopeTo(sample) });
    } else if (sample.usedBytes <= last.usedBytes)
      Object.assign(last, sample, { slope: this.#slopeTo(sample) });
    else return;
    this.#correct(sample);
    const slopes = this.#lows.flatMap(({ slope }) => slope ?? []).sort((a, b) => a - b);
    this.#bytes = slopes[Math.floor(slopes.length / 2)] ?? 0;
  }

  /** From any moment with fewer in flight to any with about as many the least, as what is kept for good is of no request. */
  #slopeTo({ usedBytes, inFlight }: InFlightSample): number | null {
    const asMany = this.#lows.filter((low) => AS_MANY * low.inFlight >= inFlight);
    const leastBytes = Math.min(usedBytes, ...asMany.map((low) => low.usedBytes));
    const fewer = this.#lows.filter((low) => low.inFlight >= DIFFERS.from);
    const slopes = fewer.flatMap((low) => slopeOf(low, { usedBytes: leastBytes, inFlight }) ?? []);
    return slopes.length === 0 ? null : Math.min(...slopes);
  }

  /** With fewer in flight again, use is as much lower again, or what made it higher was no request. */
  #correct(now: InFlightSample): void {
    for (const low of this.#lows)
      if (low.slope !== null && now.atMs - low.atMs >= COLLECTED_MS)
        low.slope = Math.min(low.slope, slopeOf(now, low) ?? low.slope);
  }
}

type Use = Pick<InFlightSample, 'usedBytes' | 'inFlight'>;

/** By how much use is higher with more in flight than with fewer, for each; `null` where that cannot be compared. */
function slopeOf(fewer: Use, more: Use): number | null {
  const by = more.inFlight - fewer.inFlight;
  if (by < DIFFERS.by || more.inFlight < DIFFERS.times * fewer.inFlight) return null;
  return Math.max(0, more.usedBytes - fewer.usedBytes) / by;
}
