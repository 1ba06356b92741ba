import { type GrowthOutlook, GrowthTracker } from '../forecast/growth-tracker.ts';
import { formatBytes, formatSeconds } from '../lib/units.ts';
import type { Finding } from '../model/events.ts';
import { NO_OUTLOOK, type Outlook } from '../model/outlook.ts';
import { type HeapUse, memoryLimitedBy, type Reading, unreclaimableBytes } from '../model/reading.ts';
import type { Level } from '../model/status.ts';
import { type ConstraintForecast, ConstraintForecasts, NO_FORECAST } from './constraint-forecasts.ts';
import { describeOutlook, describeUse, limitName } from './describe.ts';
import { atLeast } from './level.ts';

/** A limit this near is worth an event of its own, once the forecast has stood for `FORECAST_STANDS_MS`. */
const FORECAST_SECONDS = 60;
const FORECAST_STANDS_MS = 1500;
/** What the heap rose by holds for so long after the agent has told of it. */
const HEAP_RISE_MS = 2000;
/** The statistics of growth need no finer step than this. */
const ASSESS_EVERY_MS = 250;

/** How the agent's memory grows towards its nearer limit, and what is worth an event of that. */
export class Forecaster {
  readonly #growth = new GrowthTracker();
  #heapGrowth = new GrowthTracker();
  #heapSeenMs = Number.NEGATIVE_INFINITY;
  #outlook: Outlook = NO_OUTLOOK;
  readonly #others = new ConstraintForecasts();
  /** Which limit of memory the outlook is about. */
  #limitedBy: string | null = null;
  #risingSeconds = 0;
  #leak = false;
  #assessedMs = Number.NEGATIVE_INFINITY;
  #forecastSinceMs: number | null = null;
  #forecastTold = false;

  get outlook(): Outlook {
    return this.#outlook;
  }
  /** How use moves towards the limit of a constraint, by its name; of memory's two limits only the nearer one is forecast. */
  forecastOf(name: string): ConstraintForecast {
    if (name !== 'container' && name !== 'heap') return this.#others.of(name);
    if (name !== this.#limitedBy) return NO_FORECAST;
    const { growthBytesPerSecond, secondsToLimit } = this.#outlook;
    return { growthPerSecond: growthBytesPerSecond, secondsToLimit };
  }
  /** For how long the growth that the outlook is made from has gone on, in seconds. */
  get risingSeconds(): number {
    return this.#risingSeconds;
  }
  get leakSuspected(): boolean {
    return this.#leak;
  }

  /** CPU of the agent, in cores: the measure of its load against which a leak is judged. */
  load(cores: number, nowMs: number): void {
    this.#growth.load(nowMs, cores);
  }

  add(reading: Reading, nowMs: number): void {
    this.#growth.add(nowMs, unreclaimableBytes(reading), reading.limitBytes);
    this.#followHeap(reading.heap);
    this.#others.add(reading.others, nowMs);
  }

  /** @param now at once; else when it is due. @returns whether it was */
  assess(reading: Reading, nowMs: number, now: boolean): boolean {
    if (!now && nowMs - this.#assessedMs < ASSESS_EVERY_MS) return false;
    this.#assessedMs = nowMs;
    this.#others.assess(reading.others, nowMs);
    this.#limitedBy = memoryLimitedBy(reading);
    const { growthBytesPerSecond, secondsToLimit, range, risingSeconds } = this.#growthOf(reading, nowMs);
    this.#outlook = { growthBytesPerSecond, secondsToLimit, secondsToLimitRange: range };
    this.#risingSeconds = risingSeconds;
    return true;
  }

  /** To be asked after each assessment. */
  findings(reading: Reading, nowMs: number, level: Level): Finding[] {
    return [...this.#foreseen(reading, nowMs, level), ...this.#leaking(reading, nowMs)];
  }

  reset(): void {
    this.#growth.reset();
    this.#heapGrowth = new GrowthTracker();
    this.#others.reset();
    this.#limitedBy = null;
    this.#outlook = NO_OUTLOOK;
    this.#risingSeconds = 0;
    this.#leak = false;
    this.#forecastSinceMs = null;
    this.#forecastTold = false;
  }

  #followHeap(heap: HeapUse | null): void {
    if (!heap || heap.atMs <= this.#heapSeenMs) return;
    this.#heapSeenMs = heap.atMs;
    this.#heapGrowth.add(heap.atMs, heap.usedBytes, heap.limitBytes);
  }

  /** Growth towards the nearer limit. */
  #growthOf({ heap, ...reading }: Reading, nowMs: number): GrowthOutlook {
    const growth = this.#growth.assess(nowMs);
    if (!heap || memoryLimitedBy({ heap, ...reading }) !== 'heap') return growth;
    const its = this.#heapGrowth.assess(nowMs);
    if (its.growthBytesPerSecond !== null) return its;
    // not followed for long enough: it grows by what the agent's memory does at most, and by no more than it did between two looks
    const { risingSeconds } = growth;
    const rise = nowMs - heap.atMs > HEAP_RISE_MS ? 0 : (heap.riseBytesPerSecond ?? 0);
    const growthBytesPerSecond = Math.min(growth.growthBytesPerSecond ?? 0, rise);
    if (growthBytesPerSecond <= 0)
      return { growthBytesPerSecond: null, secondsToLimit: null, range: null, risingSeconds: 0 };
    const seconds = Math.max(0, heap.limitBytes - heap.usedBytes) / growthBytesPerSecond;
    return { growthBytesPerSecond, secondsToLimit: seconds, range: null, risingSeconds };
  }

  #foreseen(reading: Reading, nowMs: number, level: Level): Finding[] {
    const { secondsToLimit } = this.#outlook;
    if (secondsToLimit === null || secondsToLimit > FORECAST_SECONDS) {
      if (secondsToLimit === null || secondsToLimit > 2 * FORECAST_SECONDS) this.#forecastTold = false;
      this.#forecastSinceMs = null;
      return [];
    }
    this.#forecastSinceMs ??= nowMs;
    const stands = nowMs - this.#forecastSinceMs >= FORECAST_STANDS_MS;
    if (this.#forecastTold || !stands || atLeast(level, 'critical')) return [];
    this.#forecastTold = true;
    const note = `Usage reaches ${limitName(reading)} in about ${formatSeconds(secondsToLimit)} at the present growth: ${describeUse(reading)}; ${describeOutlook(this.#outlook, reading)}.`;
    return [{ reason: 'MemoryLimitForecast', note }];
  }

  #leaking(reading: Reading, nowMs: number): Finding[] {
    const leak = this.#growth.leak(nowMs);
    const before = this.#leak;
    this.#leak = leak.suspected;
    if (!leak.suspected || before) return [];
    const note = `Memory left after collections keeps rising while load does not: from ${formatBytes(leak.floorThenBytes)} to ${formatBytes(leak.floorNowBytes)} in ${formatSeconds(leak.spanSeconds)} (${formatBytes(leak.bytesPerSecond)}/s); ${describeUse(reading)}.`;
    return [{ reason: 'MemoryLeakSuspected', note }];
  }
}
