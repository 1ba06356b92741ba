/** What is looked back on: the lowest use of each second, as a runtime makes garbage and collects it. */
const WINDOW_MS = 60_000;
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

/**
 * By how much use is higher for each request more that is in flight. With many in flight it tells what one holds where starts and
 * ends tell nothing: as many start as end, and use stays.
 */
export class InFlightSlope {
  #lows: InFlightSample[] = [];
  #bytes = 0;

  /** Bytes for each: the median of all that can be compared, as garbage makes single moments too high or too low; 0 where nothing can. */
  get bytes(): number {
    return this.#bytes;
  }

  add(sample: InFlightSample): void {
    const last = this.#lows.at(-1);
    if (last && Math.floor(last.atMs / SPAN_MS) === Math.floor(sample.atMs / SPAN_MS)) {
      if (sample.usedBytes > last.usedBytes) return;
      this.#lows.pop();
    }
    this.#lows = this.#lows.filter(({ atMs }) => sample.atMs - atMs < WINDOW_MS);
    this.#lows.push(sample);
    this.#bytes = this.#compare();
  }

  #compare(): number {
    const numbers = this.#lows.map(({ inFlight }) => inFlight);
    // most agents never have so many, and every look would compare all with all
    if (Math.max(...numbers) - Math.max(DIFFERS.from, Math.min(...numbers)) < DIFFERS.by) return 0;
    const [rises, leastRises, falls]: [number[], number[], number[]] = [[], [], []];
    for (const [i, more] of this.#lows.entries()) {
      // with about as many in flight the least, as what is kept for good is of no request
      const before = this.#lows.slice(0, i);
      const asMany = before.filter(({ inFlight }) => AS_MANY * inFlight >= more.inFlight);
      const usedBytes = Math.min(more.usedBytes, ...asMany.map((low) => low.usedBytes));
      const slopes = before.flatMap((fewer) => slopeOf(fewer, { ...more, usedBytes }));
      rises.push(...slopes);
      if (slopes.length > 0) leastRises.push(Math.min(...slopes));
      for (const fewer of this.#lows.slice(i))
        if (fewer.atMs - more.atMs >= COLLECTED_MS) falls.push(...slopeOf(fewer, more));
    }
    // with fewer in flight again use is as much lower again, or what made it higher was no request; until then the least counts
    return falls.length === 0 ? medianOf(leastRises) : Math.min(medianOf(rises), medianOf(falls));
  }
}

/** By how much use is higher with more in flight than with fewer, for each; none where that cannot be compared. */
function slopeOf(fewer: InFlightSample, more: InFlightSample): number[] {
  const by = more.inFlight - fewer.inFlight;
  const differs = by >= DIFFERS.by && more.inFlight >= DIFFERS.times * fewer.inFlight;
  return differs && fewer.inFlight >= DIFFERS.from
    ? [Math.max(0, more.usedBytes - fewer.usedBytes) / by]
    : [];
}

/** Of two in the middle the less; 0 of none. */
function medianOf(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}
