import { messageOf } from './core/errors.ts';
import type { Finding } from './core/judge.ts';
import type { AgentLife, Clock, Situation } from './core/ports.ts';
import { heldBytes, limitedBy, ratioOf } from './core/reading.ts';
import { type CollectionState, type RecycleMode, RecyclePlan } from './core/recycle-plan.ts';
import type { RecycleOutcome, RecycleWork } from './core/recycling.ts';

export interface RecyclerDeps {
  mode: RecycleMode;
  /** Whether somebody starts the agent again. */
  restarted: boolean;
  clock: Clock;
  /** Whether the process has a handler for SIGTERM by now. */
  catchesSigterm(pid: number): boolean;
  /** Ends it in order, beside the loop. */
  start(
    life: AgentLife,
    work: RecycleWork,
  ): { outcome: Promise<RecycleOutcome>; callOff(why: string): boolean };
  /** No new work from here on, for this reason; `undefined`: as the level says again. */
  close(reason: string | undefined): void;
  tell(finding: Finding): void;
  log(level: 'info' | 'warn', message: string): void;
  recycled(result: string): void;
}

/** What is known from inside the agent. */
export interface Inside {
  readonly collections: CollectionState;
  readonly inFlight: number | null;
  readonly catchesSigterm: boolean | null;
  countInFlight(): Promise<number | null>;
}

/** The kill is about to come: there is no time left to wait for work to end. A forecast alone may be of a single step. */
const URGENT = { seconds: 0.3, ratio: 0.94 };
const URGENT_RATIO = 0.98;
/** Below this, which is below where any level is left, an agent that is being drained need not end. */
const RECOVERED_RATIO = 0.65;
const CATCHES_EVERY_MS = 1000;

/** Ends the agent in order where that is the lesser evil, life after life: one budget over all of them. */
export class Recycler {
  readonly #deps: RecyclerDeps;
  readonly #plan: RecyclePlan;
  #life: AgentLife | undefined;
  #latest: Situation | undefined;
  #running: ReturnType<RecyclerDeps['start']> | undefined;
  #catches = false;
  #caughtMs = Number.NEGATIVE_INFINITY;
  #needsMore: string | null = null;
  #ended = false;

  constructor(deps: RecyclerDeps) {
    this.#deps = deps;
    this.#plan = new RecyclePlan({ mode: deps.mode, restarted: deps.restarted });
  }

  /** From here on it is this life; `undefined` when there is none. */
  follow(life: AgentLife | undefined): void {
    this.#life = life;
    this.#latest = undefined;
    this.#running?.callOff('the guardian ends, or the agent is gone');
    this.#caughtMs = Number.NEGATIVE_INFINITY;
    if (life) this.#plan.born(this.#deps.clock.now());
  }

  /** The guardian ends: an agent that was told to end does so by itself, and nothing more is said of it. */
  end(): void {
    this.#ended = true;
    this.follow(undefined);
  }

  /** At each round of the loop; returns at once. */
  attend(situation: Situation, inside: Inside): void {
    this.#latest = situation;
    if (this.#deps.mode === 'off') return;
    const { nowMs, life, level, reading, outlook } = situation;
    if (this.#running) {
      // what was in work has ended and given its memory back
      if (ratioOf(reading) < RECOVERED_RATIO) this.#running.callOff('memory is free again');
      return;
    }
    const heap = limitedBy(reading) === 'heap' ? reading.heap : null;
    const decision = this.#plan.decide({
      nowMs,
      level,
      heldBytes: heap?.usedBytes ?? heldBytes(reading),
      limitBytes: heap?.limitBytes ?? reading.limitBytes,
      secondsToLimit: outlook.secondsToLimit,
      growthBytesPerSecond: outlook.growthBytesPerSecond,
      collections: inside.collections,
      inFlight: inside.inFlight,
      typicalWorkMs: null,
      catchesSigterm: this.#catchesSigterm(life, inside, nowMs),
    });
    const { needsMore } = this.#plan;
    if (needsMore !== null && needsMore !== this.#needsMore)
      this.#deps.tell({ reason: 'AgentStuck', type: 'Warning', note: `Not recycled: ${needsMore}.` });
    this.#needsMore = needsMore;
    if (decision.recycle) void this.#recycle(life, inside, decision.reason);
  }

  async #recycle(life: AgentLife, inside: Inside, reason: string): Promise<void> {
    const { clock, close, log, tell, recycled } = this.#deps;
    this.#plan.recycled(clock.now());
    close(`being ended in order: ${reason}`);
    log('warn', `recycling pid ${life.info.pid}: ${reason}`);
    let outcome: RecycleOutcome;
    try {
      this.#running = this.#deps.start(life, {
        inFlight: () => inside.countInFlight(),
        urgent: () => this.#urgent(),
        alive: () => this.#life === life && life.alive(),
      });
      outcome = await this.#running.outcome;
    } catch (error) {
      this.#plan.leftAlone();
      close(undefined); // else it would stay un-ready for good
      log('warn', `pid ${life.info.pid} cannot be recycled: ${messageOf(error)}`);
      return;
    } finally {
      this.#running = undefined;
    }
    if (this.#ended) return;
    recycled(outcome.result);
    if (outcome.result === 'left alone' || outcome.result === 'refused') {
      this.#plan.leftAlone();
      if (this.#life === life) close(undefined);
    } else if (outcome.result === 'called off' && this.#life === life) close(undefined);
    // one that came to its end by itself, or was spared, was not recycled
    if (outcome.result === 'called off' || outcome.result === 'ended before') log('info', outcome.note);
    else tell({ reason: 'AgentRecycled', type: 'Warning', note: `Recycled: ${reason}. ${outcome.note}` });
  }

  #urgent(): boolean {
    const latest = this.#latest;
    if (!latest) return false;
    const { secondsToLimit } = latest.outlook;
    const ratio = ratioOf(latest.reading);
    const soon = secondsToLimit !== null && secondsToLimit < URGENT.seconds;
    return ratio >= URGENT_RATIO || (soon && ratio >= URGENT.ratio);
  }

  #catchesSigterm(life: AgentLife, inside: Inside, nowMs: number): boolean {
    if (inside.catchesSigterm !== null) return inside.catchesSigterm;
    if (life.info.runtime === 'node') return false; // it always does as far as can be seen from outside
    if (nowMs - this.#caughtMs >= CATCHES_EVERY_MS) {
      this.#caughtMs = nowMs;
      this.#catches = this.#deps.catchesSigterm(life.info.pid);
    }
    return this.#catches;
  }
}
