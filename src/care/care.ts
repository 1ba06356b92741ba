import { messageOf, SpillwayError } from '../core/errors.ts';
import { GcPlan } from '../core/gc-plan.ts';
import type { GcRecord } from '../core/gc-record.ts';
import type { GrowthReport } from '../core/growth-report.ts';
import { atLeast } from '../core/level.ts';
import type { AgentLife, Situation } from '../core/ports.ts';
import { type HeapFacts, type Reach, ReachError } from '../core/reach.ts';
import type { Hope } from '../core/readiness.ts';
import type { HeapUse } from '../core/reading.ts';
import type { CollectionState } from '../core/recycle-plan.ts';
import { ASK_MS, askEveryMs } from './ask-pace.ts';
import { Collecting } from './collecting.ts';
import type { CareDeps } from './deps.ts';
import { GrowthWatch } from './growth-watch.ts';
import { Hand } from './hand.ts';
import { HeapWatch } from './heap-watch.ts';
import { Present } from './present.ts';
import { takeSnapshot } from './snapshot.ts';
import { Turns } from './turns.ts';
import { sleep, within } from './waiting.ts';
import { WorkWatch } from './work-watch.ts';

/** The runtime is let go when there has been no reason to hold it for this long. */
const LINGER_MS = 10_000;
/** At the end what runs may end by itself for so long. */
const END_MS = 500;

/**
 * What is done for one life of the agent from inside its runtime: its garbage collected, its heap asked for, its growth
 * named. One thing at a time, each beside the loop, each with an end; what fails is recorded and tried again later.
 */
export class Care {
  /** Whether the program handles SIGTERM, as its runtime says; `null` is not known. */
  catchesSigterm: boolean | null = null;

  readonly #deps: CareDeps;
  readonly #plan: GcPlan;
  readonly #present: Present;
  readonly #hand: Hand;
  readonly #heap: HeapWatch;
  readonly #work: WorkWatch;
  readonly #growth: GrowthWatch;
  readonly #collecting: Collecting;
  readonly #turns: Turns;

  #actedMs = Number.NEGATIVE_INFINITY;
  #neededMs = Number.NEGATIVE_INFINITY;
  /** A profile that somebody asked for is being sampled. */
  #heldUntilMs = Number.NEGATIVE_INFINITY;

  constructor(life: AgentLife, deps: CareDeps) {
    const { options, clock, log } = deps;
    const plan = new GcPlan({
      stallBudgetShare: options.gcStallBudget,
      warnRatio: options.warnRatio,
      sinceMs: clock.now(),
    });
    const present = new Present(life);
    const hand = new Hand(present, deps);
    const heap = new HeapWatch(present, deps);
    this.#deps = deps;
    this.#plan = plan;
    this.#present = present;
    this.#hand = hand;
    this.#heap = heap;
    this.#work = new WorkWatch(present, hand, deps);
    this.#growth = new GrowthWatch(present, hand, plan, deps);
    this.#collecting = new Collecting({
      ...deps,
      present,
      hand,
      plan,
      heap,
      see: (facts) => this.#see(facts),
    });
    this.#turns = new Turns((error) => log('warn', `unexpected: ${messageOf(error)}`));
  }

  /** At each round of the loop; returns at once. */
  attend(situation: Situation): void {
    this.#present.latest = situation;
    const { nowMs, reading } = situation;
    this.#collecting.attend(situation);
    this.#heap.attend(reading);
    this.#work.attend(situation);
    this.#growth.attend(situation);
    if (this.#turns.running || this.#present.ended) return;
    const everyMs = this.#need(situation);
    if (everyMs === null) {
      this.#heap.forget();
      if (this.#hand.reach && nowMs >= Math.max(this.#heldUntilMs, this.#neededMs + LINGER_MS))
        this.#turns.start(() => this.#hand.letGo());
      return;
    }
    this.#neededMs = nowMs;
    if (nowMs - this.#actedMs >= everyMs && nowMs >= this.#hand.retryMs) this.#turns.start(() => this.#act());
  }

  /** The heap against its own limit, while that is near. */
  get heap(): HeapUse | null {
    return this.#heap.use;
  }

  get advice(): string[] {
    return this.#heap.advice;
  }

  get lastGc(): GcRecord | undefined {
    return this.#collecting.last;
  }

  get growth(): GrowthReport | undefined {
    return this.#growth.report;
  }

  /** What refusing work may still bring: asked at each reading. */
  get hope(): Hope {
    const { collections, inFlight } = this;
    return {
      collecting: collections === 'pending' || collections === 'useful',
      collected: this.#collecting.helped,
      working: inFlight === null ? null : inFlight > 0,
    };
  }

  /** What collecting can do for the agent now. */
  get collections(): CollectionState {
    return this.#collecting.state;
  }

  /** Requests in work as last seen while shedding; `null` is not known. */
  get inFlight(): number | null {
    return this.#work.inFlight;
  }

  /** Requests in work now; `null` where it cannot be told. Never rejects; who asks meanwhile gets the same answer. */
  countInFlight(): Promise<number | null> {
    return this.#work.count();
  }

  /** Collects now, on somebody's request. @throws SpillwayError `busy` or `unavailable` */
  async collectNow(): Promise<GcRecord> {
    if (this.#collecting.running) throw new SpillwayError('busy', 'a collection is running');
    return this.#requested(async () => {
      try {
        const reach = await this.#hand.open();
        const decision = this.#collecting.decide(await reach.facts(), this.inFlight, true);
        if ('wait' in decision) throw new SpillwayError('unavailable', `no collection now: ${decision.wait}`);
        return await this.#collecting.collect(reach, decision.collect, 'request');
      } catch (error) {
        if (error instanceof ReachError) this.#failed(error, 'request');
        throw error;
      }
    });
  }

  /**
   * What grew, sampled for `seconds` more, on somebody's request.
   * @throws SpillwayError `busy` or `unavailable`
   */
  async profileNow(seconds: number): Promise<GrowthReport & { file: string | null }> {
    await this.#requested(() => this.#growth.start());
    const { clock } = this.#deps;
    this.#heldUntilMs = clock.now() + seconds * 1000 + LINGER_MS;
    if (seconds > 0) await sleep(clock, seconds * 1000);
    return this.#requested(() => this.#growth.read());
  }

  /** Streams a heap snapshot. @throws SpillwayError `busy` or `unavailable` */
  async snapshotNow(write: (chunk: string) => Promise<void>): Promise<void> {
    await this.#requested(() => takeSnapshot(this.#present, this.#hand, this.#plan, this.#deps, write));
  }

  /** Lets the runtime go as it was found; nothing is done or told after. Never throws, at most three seconds. */
  async end(): Promise<void> {
    this.#present.ended = true;
    const running = Promise.allSettled([this.#turns.running, this.#work.counting]);
    await within(this.#deps.clock, END_MS, running);
    this.#heap.forget();
    await this.#hand.letGo();
  }

  /** How often the runtime is to be asked now, in milliseconds; `null` when there is no need. */
  #need(situation: Situation): number | null {
    const { gc, profile } = this.#deps.options;
    if (gc === 'off' && profile === 'off') return null;
    const everyMs = askEveryMs(situation) ?? this.#heap.askEveryMs(situation.reading);
    if (everyMs !== null) return everyMs;
    if (this.#plan.owes) return ASK_MS.warning;
    return gc !== 'off' && this.#plan.foresees(situation.outlook.secondsToLimit) ? ASK_MS.warning : null;
  }

  async #act(): Promise<void> {
    try {
      const reach = await this.#hand.open();
      const heap = await reach.facts();
      this.#see(heap);
      this.#hand.answered();
      if (atLeast(this.#present.situation.level, 'warning')) await this.#askForSigterm(reach);
      this.#present.check();
      const decision = this.#collecting.next(heap, this.inFlight);
      if ('collect' in decision) await this.#collecting.collect(reach, decision.collect, decision.reason);
      else await this.#growth.follow(reach, heap);
    } catch (error) {
      this.#failed(error, 'pressure');
    } finally {
      this.#actedMs = this.#deps.clock.now();
    }
  }

  /** SIGTERM goes to the agent's own process: what another one below it would do says nothing. */
  async #askForSigterm(reach: Reach): Promise<void> {
    const { worker, info } = this.#present.life;
    if (worker.pid !== info.pid || !reach.catchesSigterm) this.catchesSigterm = null;
    else this.catchesSigterm = await reach.catchesSigterm().catch(() => this.catchesSigterm);
  }

  /** Takes in what the runtime said of its heap. */
  #see(facts: HeapFacts | null): void {
    if (!facts) return;
    this.#growth.see(facts);
    this.#heap.see(facts);
  }

  /** A way in that did not open: recorded, and tried again later. */
  #failed(error: unknown, trigger: string): void {
    // its end is told, and is no refusal
    if (this.#present.over || this.#present.life.dying()) return;
    const refusal =
      error instanceof ReachError ? error : new ReachError('refused', messageOf(error), { cause: error });
    const times = this.#hand.refused(refusal);
    this.#heap.unanswered(refusal);
    this.#collecting.failed(refusal, times, trigger);
  }

  /** Something asked for from outside. */
  async #requested<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#turns.next(() => {
        this.#neededMs = this.#deps.clock.now();
        return work();
      });
    } catch (error) {
      if (!(error instanceof ReachError)) throw error;
      throw new SpillwayError('unavailable', error.message, {
        cause: error,
        ...(error.mend === undefined ? {} : { mend: error.mend }),
      });
    }
  }
}
