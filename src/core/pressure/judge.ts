import { type GrowthOutlook, GrowthTracker } from '../forecast/growth-tracker.ts';
import { formatBytes, formatSeconds } from '../lib/units.ts';
import { constraintRatio } from '../model/constraint.ts';
import type { EventReason, Finding } from '../model/events.ts';
import { NO_OUTLOOK, type Outlook } from '../model/outlook.ts';
import {
  type HeapUse,
  memoryLimitedBy,
  memoryRatio,
  nearestOther,
  type Reading,
  unreclaimableBytes,
} from '../model/reading.ts';
import type { Level } from '../model/status.ts';
import { describeLevel, describeOutlook, describeUse, limitName } from './describe.ts';
import { atLeast, type LevelState, nextLevel, type Thresholds } from './level.ts';
import { isReady, nextReadiness, READY, type ReadinessState, type ReclaimOutlook } from './readiness.ts';

/** The options the judgement depends on; durations in milliseconds. */
export interface JudgeOptions extends Thresholds {
  maxUnready: number;
  onBlind: 'ready' | 'unready';
  /** What readiness says while there is no agent; by default what it says when blind. */
  onAbsent?: 'unready';
}

/** What holds where nothing else is said. */
export const DEFAULT_JUDGEMENT: JudgeOptions = {
  warnRatio: 0.75,
  shedRatio: 0.85,
  criticalRatio: 0.92,
  recoverMargin: 0.05,
  hold: 5_000,
  maxUnready: 60_000,
  onBlind: 'ready',
};

/** Without a valid reading for this long, nothing is known any more. */
const BLIND_AFTER_MS = 1000;
/** Blindness shorter than this is the gap of a restart and not worth an event. */
const TELL_BLIND_AFTER_MS = 5000;
/** A limit this near is worth an event of its own, once the forecast has stood for `FORECAST_STANDS_MS`. */
const FORECAST_SECONDS = 60;
const FORECAST_STANDS_MS = 1500;
/** A limit this near is no rest, whatever the last second shows. */
const RISING_SECONDS = 16;
/** A longer gap between two readings was not observed: the guardian stood still, and what use did meanwhile is not known. */
const OBSERVED_MS = 2000;
/** What the heap rose by holds for so long after the agent has told of it. */
const HEAP_RISE_MS = 2000;
/** The statistics of growth need no finer step than this. */
const ASSESS_EVERY_MS = 250;

const EVENT_OF: Readonly<Record<Level, EventReason>> = {
  ok: 'MemoryPressureRecovered',
  warning: 'MemoryPressureWarning',
  shedding: 'MemoryPressureShedding',
  critical: 'MemoryPressureCritical',
};

/**
 * The judgement: readings go in, findings come out, on transitions only. No clock, no files, no promises; every time
 * comes from outside, so that a test can tell it any story.
 */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #growth = new GrowthTracker();
  #heapGrowth = new GrowthTracker();
  #heapSeenMs = Number.NEGATIVE_INFINITY;
  #recycling: string | undefined;
  #risingSeconds = 0;
  #stuckTold = false;
  /** Time that was not observed, since the start. */
  #unseenMs = 0;
  #absent = true;
  /** By the nearest of all constraints. */
  #level: LevelState;
  /** By the agent's memory alone. */
  #memory: LevelState;
  #readiness: ReadinessState = READY;
  #outlook: Outlook = NO_OUTLOOK;
  #leak = false;
  #lastReadingMs: number;
  #assessedMs = Number.NEGATIVE_INFINITY;
  #blindReason: string | undefined = 'no reading yet';
  #blindSinceMs: number;
  #blindTold = false;
  #forecastSinceMs: number | null = null;
  #forecastTold = false;

  constructor(options: JudgeOptions, nowMs: number) {
    this.#options = options;
    this.#level = { level: 'ok', sinceMs: nowMs };
    this.#memory = this.#level;
    this.#lastReadingMs = nowMs;
    this.#blindSinceMs = nowMs;
  }

  get level(): Level {
    return this.#level.level;
  }
  /** The level of the agent's memory alone, which is what its remedies can relieve. */
  get memoryLevel(): Level {
    return this.#memory.level;
  }
  /** Monotonic time at which the level was entered. */
  get sinceMs(): number {
    return this.#level.sinceMs;
  }
  get blind(): boolean {
    return this.#blindReason !== undefined;
  }
  get blindReason(): string | undefined {
    return this.#blindReason;
  }
  get ready(): boolean {
    if (this.#recycling !== undefined || this.absent) return false;
    return this.blind ? this.#options.onBlind === 'ready' : isReady(this.#readiness);
  }
  /** There is no agent, and without one nothing is ready. */
  get absent(): boolean {
    return this.#absent && this.#options.onAbsent === 'unready';
  }
  get stuck(): boolean {
    return this.#readiness.stuck !== null;
  }
  /** A collection has made room: ready although the level is still held. */
  get relieved(): boolean {
    return this.#readiness.relieved;
  }
  /** While the agent is being ended in order: why. Un-ready, whatever the level. */
  get recycling(): string | undefined {
    return this.#recycling;
  }
  /** The agent takes no new work until its end, or `null`: as the level says. */
  drain(why: string | null): void {
    this.#recycling = why ?? undefined;
  }
  get outlook(): Outlook {
    return this.#outlook;
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

  /**
   * Judges one valid reading.
   * @param hope what refusing work may still bring, where that is known
   */
  step(reading: Reading, nowMs: number, hope?: ReclaimOutlook): Finding[] {
    this.#unseenMs += Math.max(0, nowMs - this.#lastReadingMs - OBSERVED_MS);
    this.#lastReadingMs = nowMs;
    this.#blindReason = undefined;
    this.#blindTold = false;
    const held = unreclaimableBytes(reading);
    this.#growth.add(nowMs, held, reading.limitBytes);
    this.#followHeap(reading.heap);

    const previous = this.#level;
    const other = nearestOther(reading);
    const ratio = memoryRatio(reading);
    this.#memory = nextLevel(this.#memory, ratio, nowMs, this.#options);
    this.#level = nextLevel(previous, other ? constraintRatio(other) : ratio, nowMs, this.#options);
    const changed = this.#level.level !== previous.level;
    const due = changed || nowMs - this.#assessedMs >= ASSESS_EVERY_MS;
    if (due) this.#assess(reading, nowMs);
    this.#judgeReadiness(reading, nowMs, hope);

    // told when all has been judged: what is said of readiness is what is answered
    const findings = changed ? [this.#transition(reading)] : [];
    if (due) findings.push(...this.#foreseen(reading, nowMs), ...this.#leaking(reading, nowMs));
    if (!this.stuck) this.#stuckTold = false;
    else if (!this.#stuckTold && this.#recycling === undefined) {
      this.#stuckTold = true;
      findings.push({ reason: 'AgentStuck', note: this.#stuckNote(reading) });
    }
    return findings;
  }

  #judgeReadiness(reading: Reading, nowMs: number, hope: ReclaimOutlook | undefined): void {
    const held = unreclaimableBytes(reading);
    // what falls or rests is the use of the limit that is near
    const other = nearestOther(reading);
    const heap = memoryLimitedBy(reading) === 'heap' ? reading.heap : null;
    const memory = heap ? [heap.usedBytes, heap.limitBytes] : [held, reading.limitBytes];
    const [bytes = 0, limit = 1] = other ? [other.used, other.limit] : memory;
    const { secondsToLimit } = this.#outlook;
    const rising = secondsToLimit !== null && secondsToLimit < RISING_SECONDS;
    const known = hope && rising ? { ...hope, working: true } : hope;
    // what is known of collections and work in flight is about memory
    const still = other && !other.helps.has('gc') ? undefined : known;
    const { warnRatio, shedRatio, recoverMargin } = this.#options;
    const shed = {
      enterBytes: shedRatio * limit,
      leaveBytes: (shedRatio - recoverMargin) * limit,
      calmBytes: (warnRatio - recoverMargin) * limit,
    };
    this.#readiness = nextReadiness(
      this.#readiness,
      this.level,
      bytes,
      limit,
      nowMs - this.#unseenMs,
      this.#options.maxUnready,
      still,
      shed,
    );
  }

  #stuckNote(reading: Reading): string {
    const seen =
      this.#readiness.stuck === 'hopeless'
        ? 'Use rests, no work is in flight and collecting brings nothing'
        : `Un-ready for ${formatSeconds(this.#options.maxUnready / 1000)} and memory did not fall`;
    return `${seen} (${describeUse(reading)}). Refusing work brings nothing back: ready again, single requests are admitted in part. The agent holds on to this memory; restart it or raise its limit.`;
  }

  #followHeap(heap: HeapUse | null): void {
    if (!heap || heap.atMs <= this.#heapSeenMs) return;
    this.#heapSeenMs = heap.atMs;
    this.#heapGrowth.add(heap.atMs, heap.usedBytes, heap.limitBytes);
  }

  /** Called instead of `step` when nothing could be read; `reason` says why, with the hint. */
  miss(reason: string, nowMs: number): Finding[] {
    if (!this.blind) {
      if (nowMs - this.#lastReadingMs < BLIND_AFTER_MS) return [];
      this.#blindSinceMs = nowMs;
      this.#reset(nowMs);
    }
    this.#blindReason = reason;
    if (this.#blindTold || nowMs - this.#blindSinceMs < TELL_BLIND_AFTER_MS) return [];
    this.#blindTold = true;
    return [
      {
        reason: 'GuardianBlind',
        note: `No valid reading for ${formatSeconds((nowMs - this.#lastReadingMs) / 1000)}: ${reason}. Readiness answers ${this.ready ? 'ready' : 'un-ready'} meanwhile.`,
      },
    ];
  }

  /** There is an agent, whether it can be read or not. */
  agentFound(): void {
    this.#absent = false;
  }

  /** Another process from here on: what was known of the old one is no longer true. */
  agentGone(reason: string, nowMs: number): Finding[] {
    const findings: Finding[] =
      this.level === 'ok'
        ? []
        : [
            {
              reason: EVENT_OF.ok,
              note: `Nothing is left of level ${this.level}: ${reason}.`,
            },
          ];
    this.#reset(nowMs);
    this.#absent = true;
    this.#recycling = undefined; // not forgotten when blind: it is being ended all the same
    this.#blindReason = reason;
    this.#blindSinceMs = nowMs;
    this.#blindTold = false;
    return findings;
  }

  /** The level in words, for the status and for answers to refused requests. */
  describe(reading: Reading): string {
    const ending = this.#recycling === undefined ? null : 'ending';
    const stance = ending ?? (this.stuck ? 'stuck' : this.relieved ? 'relieved' : 'refusing');
    return describeLevel(this.level, reading, this.#outlook, this.#options, stance);
  }

  #reset(nowMs: number): void {
    this.#growth.reset();
    this.#heapGrowth = new GrowthTracker();
    this.#level = { level: 'ok', sinceMs: nowMs };
    this.#memory = this.#level;
    this.#readiness = READY;
    this.#stuckTold = false;
    this.#outlook = NO_OUTLOOK;
    this.#risingSeconds = 0;
    this.#leak = false;
    this.#forecastSinceMs = null;
    this.#forecastTold = false;
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

  #transition(reading: Reading): Finding {
    const { level } = this;
    const words = this.describe(reading);
    return {
      reason: EVENT_OF[level],
      note: `Level ${level}: ${words}.`,
    };
  }

  #assess(reading: Reading, nowMs: number): void {
    this.#assessedMs = nowMs;
    const { growthBytesPerSecond, secondsToLimit, range, risingSeconds } = this.#growthOf(reading, nowMs);
    this.#outlook = { growthBytesPerSecond, secondsToLimit, secondsToLimitRange: range };
    this.#risingSeconds = risingSeconds;
  }

  #foreseen(reading: Reading, nowMs: number): Finding[] {
    const { secondsToLimit } = this.#outlook;
    if (secondsToLimit === null || secondsToLimit > FORECAST_SECONDS) {
      if (secondsToLimit === null || secondsToLimit > 2 * FORECAST_SECONDS) this.#forecastTold = false;
      this.#forecastSinceMs = null;
      return [];
    }
    this.#forecastSinceMs ??= nowMs;
    const stands = nowMs - this.#forecastSinceMs >= FORECAST_STANDS_MS;
    if (this.#forecastTold || !stands || atLeast(this.level, 'critical')) return [];
    this.#forecastTold = true;
    const note = `${limitName(reading, 'The')} will be reached in about ${formatSeconds(secondsToLimit)} if nothing changes: ${describeUse(reading)}; ${describeOutlook(this.#outlook, reading)}.`;
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
