import { formatSeconds } from '../lib/units.ts';
import { constraintRatio, nearestOf } from '../model/constraint.ts';
import type { EventReason, Finding } from '../model/events.ts';
import type { Outlook } from '../model/outlook.ts';
import { limitedBy, memoryRatio, type Reading } from '../model/reading.ts';
import type { Level } from '../model/status.ts';
import { Admittance } from './admittance.ts';
import type { ConstraintForecast } from './constraint-forecasts.ts';
import { describeLevel } from './describe.ts';
import { Forecaster } from './forecaster.ts';
import { atLeast, type LevelState, nextLevel, type Thresholds } from './level.ts';
import type { ReclaimOutlook } from './readiness.ts';

/** The options the judgement depends on; durations in milliseconds. */
export interface JudgeOptions extends Thresholds {
  maxUnready: number;
  onBlind: 'ready' | 'unready';
  /** What readiness says while there is no agent; by default what it says when blind. */
  onAbsent?: 'unready';
  /** No other replica could take the work that is refused: shedding that frees nothing begins at critical. */
  alone?: boolean;
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
/** A longer gap between two readings was not observed: the guardian was paused, and usage meanwhile is unknown. */
const OBSERVED_MS = 2000;
const EVENT_OF: Readonly<Record<Level, EventReason>> = {
  ok: 'MemoryPressureRecovered',
  warning: 'MemoryPressureWarning',
  shedding: 'MemoryPressureShedding',
  critical: 'MemoryPressureCritical',
};

/**
 * The judgement: readings go in, findings come out, on transitions only. No clock, no files, no promises; every time
 * comes from outside, so that a test can replay any story.
 */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #forecaster = new Forecaster();
  #recycling: string | undefined;
  #crowded = false;
  #stuckReported = false;
  /** Time that was not observed, since the start. */
  #unseenMs = 0;
  #absent = true;
  /** The constraint nearest to its limit. */
  #nearest: string | null = null;
  /** By the nearest of all constraints. */
  #level: LevelState;
  /** By the agent's memory alone. */
  #memory: LevelState;
  /** By what is nearest beside memory. */
  #other: LevelState;
  readonly #admittance: Admittance;
  #lastReadingMs: number;
  #blindReason: string | undefined = 'no reading yet';
  #blindSinceMs: number;
  #blindReported = false;

  constructor(options: JudgeOptions, nowMs: number) {
    this.#options = options;
    this.#admittance = new Admittance(options);
    this.#level = { level: 'ok', sinceMs: nowMs };
    this.#memory = this.#level;
    this.#other = this.#level;
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
    if (this.#recycling !== undefined || this.absent || this.#crowded) return false;
    return this.blind ? this.#options.onBlind === 'ready' : this.#admittance.ready;
  }
  /** There is no agent, and without one nothing is ready. */
  get absent(): boolean {
    return this.#absent && this.#options.onAbsent === 'unready';
  }
  get stuck(): boolean {
    return this.#admittance.stuck;
  }
  /** A collection has made room: ready although the level is still held. */
  get relieved(): boolean {
    return this.#admittance.relieved;
  }
  /** While the agent is being recycled: why. Un-ready, whatever the level. */
  get recycling(): string | undefined {
    return this.#recycling;
  }
  /** The agent admits no new work until its end, or `null`: as the level says. */
  drain(why: string | null): void {
    this.#recycling = why ?? undefined;
  }
  /** So many wait at the gate that new work should go elsewhere. */
  crowd(crowded: boolean): void {
    this.#crowded = crowded;
  }
  get outlook(): Outlook {
    return this.#forecaster.outlook;
  }
  /** How use moves towards the limit of a constraint, by its name. */
  forecastOf(name: string): ConstraintForecast {
    return this.#forecaster.forecastOf(name);
  }
  /** Until the nearest constraint is at its limit, in seconds; `null` where no end can be foreseen. */
  get secondsToLimit(): number | null {
    // of memory's two limits the outlook is about the nearer one as of the last assessment
    if (this.#nearest === 'container' || this.#nearest === 'heap') return this.outlook.secondsToLimit;
    return this.#nearest === null ? null : this.forecastOf(this.#nearest).secondsToLimit;
  }
  /** For how long the growth that the outlook is made from has gone on, in seconds. */
  get risingSeconds(): number {
    return this.#forecaster.risingSeconds;
  }
  get leakSuspected(): boolean {
    return this.#forecaster.leakSuspected;
  }

  /** CPU of the agent, in cores: the measure of its load against which a leak is judged. */
  load(cores: number, nowMs: number): void {
    this.#forecaster.load(cores, nowMs);
  }

  /**
   * Judges one valid reading.
   * @param reclaim what refusing work may still bring, where that is known
   */
  step(reading: Reading, nowMs: number, reclaim?: ReclaimOutlook): Finding[] {
    this.#unseenMs += Math.max(0, nowMs - this.#lastReadingMs - OBSERVED_MS);
    this.#lastReadingMs = nowMs;
    this.#blindReason = undefined;
    this.#blindReported = false;
    this.#forecaster.add(reading, nowMs);

    const previous = this.#level;
    this.#nearest = limitedBy(reading);
    const other = nearestOf(reading.others);
    this.#memory = nextLevel(this.#memory, memoryRatio(reading), nowMs, this.#options);
    this.#other = nextLevel(this.#other, other ? constraintRatio(other) : 0, nowMs, this.#options);
    this.#level = atLeast(this.#memory.level, this.#other.level) ? this.#memory : this.#other;
    const changed = this.#level.level !== previous.level;
    const assessed = this.#forecaster.assess(reading, nowMs, changed);
    this.#admittance.judge({
      ...{ reading, other, reclaim, nowMs: nowMs - this.#unseenMs },
      ...{ memoryLevel: this.#memory.level, otherLevel: this.#other.level },
      secondsToLimit: this.outlook.secondsToLimit,
    });

    // told when all has been judged: what is said of readiness is what is answered
    const findings = changed ? [this.#transition(reading)] : [];
    if (assessed) findings.push(...this.#forecaster.findings(reading, nowMs, this.level));
    if (!this.stuck) this.#stuckReported = false;
    else if (!this.#stuckReported && this.#recycling === undefined) {
      this.#stuckReported = true;
      findings.push({ reason: 'AgentStuck', note: this.#admittance.describeStuck(reading, other) });
    }
    return findings;
  }

  /** Called instead of `step` when nothing could be read; `reason` says why, with the hint. */
  miss(reason: string, nowMs: number): Finding[] {
    if (!this.blind) {
      if (nowMs - this.#lastReadingMs < BLIND_AFTER_MS) return [];
      this.#blindSinceMs = nowMs;
      this.#reset(nowMs);
    }
    this.#blindReason = reason;
    if (this.#blindReported || nowMs - this.#blindSinceMs < TELL_BLIND_AFTER_MS) return [];
    this.#blindReported = true;
    return [
      {
        reason: 'GuardianBlind',
        note: `No valid reading for ${formatSeconds((nowMs - this.#lastReadingMs) / 1000)}: ${reason}. /readyz answers ${this.ready ? 'ready' : 'un-ready'} meanwhile.`,
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
              note: `Level ${this.level} has ended: ${reason}.`,
            },
          ];
    this.#reset(nowMs);
    this.#absent = true;
    this.#recycling = undefined; // not forgotten when blind: it is being ended all the same
    this.#blindReason = reason;
    this.#blindSinceMs = nowMs;
    this.#blindReported = false;
    return findings;
  }

  /** The level in words, for the status and for answers to refused requests. */
  describe(reading: Reading): string {
    const above = this.#recycling !== undefined ? 'ending' : this.#crowded ? 'crowded' : null;
    const stance = above ?? (this.stuck ? 'stuck' : this.relieved ? 'relieved' : 'refusing');
    const { level, outlook, secondsToLimit: secondsToOther } = this;
    return describeLevel(reading, { level, outlook, thresholds: this.#options, stance, secondsToOther });
  }

  #reset(nowMs: number): void {
    this.#forecaster.reset();
    this.#nearest = null;
    this.#level = { level: 'ok', sinceMs: nowMs };
    this.#memory = this.#level;
    this.#other = this.#level;
    this.#admittance.reset();
    this.#crowded = false;
    this.#stuckReported = false;
  }

  #transition(reading: Reading): Finding {
    const { level } = this;
    const words = this.describe(reading);
    return {
      reason: EVENT_OF[level],
      note: `Level ${level}: ${words}.`,
    };
  }
}
