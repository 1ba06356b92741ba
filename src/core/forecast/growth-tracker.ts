import { type Forecast, forecast } from './forecast.ts';
import { GcSawtooth, visibleDropBytes } from './gc-sawtooth.ts';
import { type LeakVerdict, leakEnded, suspectLeak } from './leak.ts';
import { type Points, Series, Windows } from './series.ts';
import { deviation, leastSquares, type Slope } from './statistics.ts';
import { type Highs, highsOf, longestTrend, MIN_POINTS, nextHighs, rests, type Trend } from './trend.ts';

const MIB = 1024 ** 2;

/** Look-back of the trend, and width of the windows whose minima it is drawn through. */
const TREND_MS = 120_000;
const WINDOW_MS = 2_000;
/** Cycles longer than the look-back allows: this many floors are a trend however far back they reach. */
const MIN_FLOORS = 4;
/** A rise by less than this share of the limit is noise. */
const NOISE_SHARE = 0.001;

/** Look-back of the burst, and the least time that tells a slope from a jitter of the counters. */
const BURST_MS = 1_000;
const BURST_MIN_MS = 20;
const BURST_POINTS = 4;
/** A burst has ended when so lately it rose by less than this share of what it would have. */
const BURST_REST_MS = 400;
const BURST_SHARE = 0.25;
/** An interruption shorter than this is of the burst. */
const BURST_GAP_MS = 1_000;
/** A rise below the highest use of this long ago, and a quarter of a tooth more, is expected to be collected. */
const TERRITORY_MS = 30_000;
const TERRITORY_MARGIN = 0.25;
/** Within that territory a burst is believed all the same when the limit is this near. */
const URGENT_SECONDS = 1;
/** A process that starts is all new territory: no burst is read from that. */
const STARTING_MS = 5_000;

/** The leak is looked for in the last two and a half and the last ten minutes, once a second; starting up is left out. */
const LEAK_SPANS_MS = [150_000, 600_000];
const LEAK_EVERY_MS = 1_000;
const LEAK_WINDOW_MS = 10_000;
const LEAK_STARTING_MS = 10_000;

/** Growth of memory and what follows from it. */
export interface GrowthOutlook extends Forecast {
  /**
   * Bytes per second; 0 when no trend differs from chance, negative when memory certainly falls, `null` with too
   * little to judge by (the first 12 s, unless there is a burst).
   */
  growthBytesPerSecond: number | null;
  /** For how long the growth that the forecast is made from has gone on, in seconds; 0 where there is none. */
  risingSeconds: number;
}

const NO_FORECAST: GrowthOutlook = {
  growthBytesPerSecond: 0,
  secondsToLimit: null,
  range: null,
  risingSeconds: 0,
};

/**
 * Follows one agent's memory and tells how fast it grows.
 *
 * Two horizons. The **trend** is a Theil-Sen line through the floors after collections, or, where no collection is
 * seen, through the minima of 2 s windows over the last 2 min; it ignores sawtooth cycles and answers after some 12 s. The
 * **burst** is a regression over the last second or the last 4 samples; it answers at once, and is believed only where
 * memory has not been lately (a rise within earlier cycles is expected to be collected) or when the limit is next.
 * Neither is believed any more once use no longer rises: a collection, too, leaves points that a trend of long ago
 * goes through.
 *
 * `add` allocates nothing and costs well below a microsecond; the statistics run when a window closes. Times are monotonic
 * milliseconds and come from outside; a sample not later than the one before is ignored.
 */
export class GrowthTracker {
  /** One second at 5 ms, with room. */
  readonly #recent = new Series(256);
  readonly #windows = new Windows(WINDOW_MS, TREND_MS / WINDOW_MS);
  readonly #coarse = new Windows(LEAK_WINDOW_MS, 60);
  readonly #sawtooth = new GcSawtooth();
  readonly #load = new Series(600);
  #startMs: number | null = null;
  #held = 0;
  #limit = 0;
  #trend: Trend | null = null;
  #burstSinceMs = Number.NaN;
  #burstSeenMs = Number.NEGATIVE_INFINITY;
  /** Memory below this has returned what the trend had gained: until it is fitted again it says nothing. */
  #lowestRisen = 0;
  #trendStale = true;
  #leak: LeakVerdict = { suspected: false };
  #leakFromMs = 0;
  #leakAtMs = Number.NEGATIVE_INFINITY;

  /** One sample: unreclaimable memory against the limit in force, in bytes. */
  add(atMs: number, heldBytes: number, limitBytes: number): void {
    if (atMs <= this.#recent.time(this.#recent.length - 1)) return;
    if (this.#startMs === null) {
      this.#startMs = atMs;
      this.#leakFromMs = atMs + LEAK_STARTING_MS;
    }
    this.#held = heldBytes;
    this.#limit = limitBytes;
    this.#recent.push(atMs, heldBytes);
    this.#coarse.add(atMs, heldBytes);
    if (this.#windows.add(atMs, heldBytes)) this.#trendStale = true;
    if (this.#sawtooth.add(atMs, heldBytes, limitBytes)) this.#trendStale = true;
  }

  /** CPU use of the agent in cores, about once a second: the measure of its load. */
  load(atMs: number, cores: number): void {
    this.#load.push(atMs, cores);
  }

  /** Growth now, and when it meets the limit. */
  assess(atMs: number): GrowthOutlook {
    if (this.#trendStale) {
      this.#trend = this.#drawTrend(atMs);
      this.#trendStale = false;
    }
    const trend = this.#trend;
    const burst = this.#burst(atMs);
    // a trend that may as well be none bounds no burst: after a time at rest it takes in the first seconds of any rise
    if (burst !== null && burst.low > (trend !== null && trend.low > 0 ? trend.high : 0)) {
      // A burst may end at any moment; only the trend below it says that memory would meet the limit anyway.
      const low = Math.max(0, trend?.low ?? 0);
      const outlook = forecast(this.#limit - this.#held, { ...burst, low });
      return {
        growthBytesPerSecond: burst.slope,
        ...outlook,
        risingSeconds: (atMs - this.#burstSinceMs) / 1000,
      };
    }
    if (trend === null) return { ...NO_FORECAST, growthBytesPerSecond: null };
    if (trend.high < 0) return { ...NO_FORECAST, growthBytesPerSecond: trend.slope };
    if (trend.low <= 0 || this.#held < this.#lowestRisen) return NO_FORECAST;
    const highs = this.#highsOf(trend);
    if (rests(atMs, WINDOW_MS, highs)) return NO_FORECAST;
    const { line, spread } = this.#peaks(atMs, trend);
    const risingSeconds = (atMs - highs.firstMs) / 1000;
    return {
      growthBytesPerSecond: trend.slope,
      ...forecast(this.#limit - line, trend, spread),
      risingSeconds,
    };
  }

  #highsOf({ sinceMs, slope }: Trend): Highs {
    const { maxima, highest } = this.#windows;
    const noiseBytes = NOISE_SHARE * this.#limit;
    const highs = highsOf(maxima.slice(maxima.firstSince(sinceMs)), slope, noiseBytes);
    return highest ? nextHighs(highs, highest, slope, noiseBytes) : highs;
  }

  /** The leak verdict now; the same object for as long as nothing changes. */
  leak(atMs: number): LeakVerdict {
    if (atMs - this.#leakAtMs < LEAK_EVERY_MS) return this.#leak;
    this.#leakAtMs = atMs;
    if (this.#leak.suspected) {
      if (leakEnded(this.#leak, this.#held)) {
        this.#leak = { suspected: false };
        this.#leakFromMs = atMs;
      }
      return this.#leak;
    }
    for (const span of LEAK_SPANS_MS) {
      const from = Math.max(this.#leakFromMs, atMs - span);
      const first = this.#sawtooth.floors.firstSince(from);
      const facts = suspectLeak({
        floors: this.#sawtooth.floors.slice(first),
        largestDropBytes: this.#sawtooth.largestDrop(from),
        minima: this.#coarse.minima.slice(this.#coarse.minima.firstSince(from)),
        load: this.#load.slice(this.#load.firstSince(from)),
        limitBytes: this.#limit,
      });
      if (facts !== null) {
        this.#leak = { suspected: true, ...facts };
        break;
      }
    }
    return this.#leak;
  }

  /** Another agent from here on: all that was known is forgotten. */
  reset(): void {
    this.#recent.clear();
    this.#windows.clear();
    this.#coarse.clear();
    this.#sawtooth.clear();
    this.#load.clear();
    this.#startMs = null;
    this.#burstSeenMs = Number.NEGATIVE_INFINITY;
    this.#trend = null;
    this.#trendStale = true;
    this.#leak = { suspected: false };
    this.#leakAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Slope in bytes per second through what collections leave; `null` without enough points. */
  #drawTrend(atMs: number): Trend | null {
    const points = this.#trendPoints(atMs);
    if (points === null) return null;
    if (points === 'within_cycles') return { slope: 0, low: 0, high: 0, sinceMs: atMs };
    this.#lowestRisen = (points.values.at(-1) ?? 0) - visibleDropBytes(this.#limit);
    return longestTrend(points);
  }

  #trendPoints(atMs: number): Points | 'within_cycles' | null {
    const { floors } = this.#sawtooth;
    const { minima } = this.#windows;
    const lastFloor = floors.time(floors.length - 1);
    const from = Math.min(floors.firstSince(atMs - TREND_MS), Math.max(0, floors.length - MIN_FLOORS));
    if (floors.length - from >= MIN_FLOORS) {
      const meanTooth = (lastFloor - floors.time(from)) / (floors.length - 1 - from);
      if (atMs - lastFloor < 2 * meanTooth) return floors.slice(from);
    }
    const fellLately = atMs - lastFloor < TREND_MS;
    if (fellLately && this.#held <= this.#sawtooth.lastPeak) return 'within_cycles';
    const since = fellLately ? Math.max(lastFloor, atMs - TREND_MS) : atMs - TREND_MS;
    const points = minima.slice(minima.firstSince(since));
    return points.times.length < MIN_POINTS ? null : points;
  }

  /**
   * Peaks meet the limit before floors do: the highest line of the trend's slope that recent peaks reach, as of now,
   * and how far peaks lie apart about such a line.
   */
  #peaks(atMs: number, { slope, sinceMs }: Trend): { line: number; spread: number } {
    const { maxima } = this.#windows;
    const { floors, drops } = this.#sawtooth;
    const now = (at: number, bytes: number) => bytes + (slope * (atMs - at)) / 1000;
    const tooth = floors.time(floors.length - 2);
    const lately = Math.min(atMs - TERRITORY_MS, Number.isNaN(tooth) ? atMs : tooth);
    const from = maxima.firstSince(Math.max(lately, sinceMs));
    const tops = Float64Array.from({ length: maxima.length - from }, (_, i) =>
      now(maxima.time(from + i), maxima.value(from + i)),
    );
    const highest = Math.max(this.#held, ...tops);
    // peaks that would have met the limit by now have not: they do not rise with the floors
    const line = highest < this.#limit ? highest : this.#held;
    const fromTooth = floors.firstSince(atMs - TREND_MS);
    if (floors.length - fromTooth < MIN_FLOORS) return { line, spread: deviation(tops) };
    const peaks = Float64Array.from({ length: floors.length - fromTooth }, (_, i) =>
      now(floors.time(fromTooth + i), floors.value(fromTooth + i) + drops.value(fromTooth + i)),
    );
    return { line, spread: deviation(peaks) };
  }

  /** Slope of the last moments in bytes per second, when there is one that must be believed. */
  #burst(atMs: number): Slope | null {
    const recent = this.#recent;
    const last = recent.length - 1;
    const second = recent.firstSince(atMs - BURST_MS);
    let moment = recent.length - BURST_POINTS;
    while (moment > second && recent.time(last) - recent.time(moment) < BURST_MIN_MS) moment--;
    if (moment < second || recent.time(last) - recent.time(moment) < BURST_MIN_MS) return null;
    const whole = leastSquares(recent, second);
    const latest = leastSquares(recent, moment);
    if (whole === null || latest === null) return null;
    const least = Math.max(MIB, this.#limit / 200);
    const sinceMoment = latest.slope * (recent.time(last) - recent.time(moment));
    const begins = latest.low > whole.slope && sinceMoment >= least;
    const { slope, low, high } = begins ? latest : whole;
    const rise = slope * (recent.time(last) - recent.time(begins ? moment : second));
    if (low <= 0 || rise < least) return null;
    if (!begins && this.#burstRests(atMs, slope)) return null;
    const urgent = this.#limit - this.#held < slope * 1000 * URGENT_SECONDS;
    const isNew = this.#isNewTerritory(atMs);
    if (!urgent && !isNew) return null;
    // within earlier cycles it is expected to be collected: there it has gone on for no time
    if (!isNew) this.#burstSinceMs = atMs;
    else if (atMs - this.#burstSeenMs > BURST_GAP_MS)
      this.#burstSinceMs = recent.time(begins ? moment : second);
    if (isNew) this.#burstSeenMs = atMs;
    return { slope: slope * 1000, low: low * 1000, high: high * 1000 };
  }

  #burstRests(atMs: number, slopePerMs: number): boolean {
    const recent = this.#recent;
    const from = recent.firstSince(atMs - BURST_REST_MS);
    const spanMs = atMs - recent.time(from);
    // few and far samples tell nothing of so short a time
    if (recent.length - from < BURST_POINTS || spanMs < BURST_REST_MS / 2) return false;
    return this.#held - recent.value(from) < BURST_SHARE * slopePerMs * spanMs;
  }

  #isNewTerritory(atMs: number): boolean {
    if (this.#startMs === null || atMs - this.#startMs < STARTING_MS) return false;
    const { maxima } = this.#windows;
    const from = atMs - TERRITORY_MS;
    let peak = 0;
    for (let i = maxima.firstSince(from); i < maxima.length; i++)
      if (maxima.time(i) <= atMs - BURST_MS) peak = Math.max(peak, maxima.value(i));
    const margin = Math.max(MIB, TERRITORY_MARGIN * this.#sawtooth.largestDrop(from));
    return this.#held > peak + margin;
  }
}
