import { GcPlan } from '../core/gc/plan.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { GrowthReport } from '../core/model/growth-report.ts';
import type { HeapFacts } from '../core/model/heap.ts';
import type { Advised } from '../core/model/notice.ts';
import { type HeapUse, memoryLimitedBy, memoryRatio } from '../core/model/reading.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { AgentProcess, Situation } from '../core/ports/ports.ts';
import { type RuntimeClient, RuntimeClientError } from '../core/ports/runtime-client.ts';
import { type Access, accessAt, isForeseen } from '../core/pressure/access.ts';
import { atLeast, withoutHold } from '../core/pressure/level.ts';
import type { ReclaimOutlook } from '../core/pressure/readiness.ts';
import type { CollectionState } from '../core/recycle/foreseen-kill.ts';
import { GcRunner } from './gc-runner.ts';
import { HeapMonitor, LOOKS_APART_MS } from './heap-monitor.ts';
import { HeapProfiler } from './heap-profiler.ts';
import { type SnapshotFile, takeSnapshot } from './heap-snapshot.ts';
import { InFlightMonitor } from './in-flight-monitor.ts';
import { pollIntervalMs } from './poll-interval.ts';
import { RuntimeConnection } from './runtime-connection.ts';
import { SerialQueue } from './serial-queue.ts';
import { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';
import { sleep, within } from './waiting.ts';

/** The runtime is let go when nothing was asked of it for so long. */
const LINGER_MS = 2000;
/** Where only an open inspector would do and there is none, it is looked for so often. */
const LOOK_FOR_OPEN_MS = 5000;
/** What was opened stays for the hold of a worse level, but no longer than this: a hold may be an hour. */
const STAYS_MS = 10_000;
/** So many looks at a heap near its limit, one after another; waited for in such steps. */
const MOST_LOOKS = 6;
const STEP_MS = 25;
/** At the end what runs may end by itself for so long. */
const END_MS = 500;

/**
 * What is done for one life of the agent from inside its runtime: its garbage collected, its heap asked for, its growth
 * named. One thing at a time, each beside the loop, each with an end; what fails is recorded and tried again later.
 */
export class RuntimeSession {
  /** What the runtime of a process says: whether its program handles SIGTERM; `null` before it was asked. */
  sigterm: { pid: number; handles: boolean } | null = null;
  /** Charged, but free inside the heap, as last told; 0 where that is not known. */
  freeHeapBytes = 0;

  readonly #deps: SessionDeps;
  readonly #plan: GcPlan;
  readonly #present: SessionContext;
  readonly #hand: RuntimeConnection;
  readonly #heap: HeapMonitor;
  readonly #work: InFlightMonitor;
  readonly #growth: HeapProfiler;
  readonly #collecting: GcRunner;
  readonly #turns: SerialQueue;

  #actedMs = Number.NEGATIVE_INFINITY;
  #lingering: { cancel(): void } | undefined;
  /** A profile that somebody asked for is being sampled. */
  #heldUntilMs = Number.NEGATIVE_INFINITY;
  /** A signal is allowed for what is being done, whatever the level: somebody asked for it, or the heap's limit is near. */
  #mayOpen = false;
  #deferredUntilMs = Number.NEGATIVE_INFINITY;
  /** When a signal was last allowed by the level. */
  #signalMs = Number.NEGATIVE_INFINITY;

  constructor(life: AgentProcess, deps: SessionDeps) {
    const { options, clock, log } = deps;
    const plan = new GcPlan({
      stallBudgetShare: options.gcStallBudget,
      warnRatio: options.warnRatio,
      sinceMs: clock.now(),
    });
    const present = new SessionContext(life);
    const hand = new RuntimeConnection(present, deps, () => this.#mayOpen || this.#access === 'signal');
    const heap = new HeapMonitor(present, deps);
    this.#deps = deps;
    this.#plan = plan;
    this.#present = present;
    this.#hand = hand;
    this.#heap = heap;
    this.#work = new InFlightMonitor(present, hand, deps);
    this.#growth = new HeapProfiler(present, hand, plan, deps);
    this.#collecting = new GcRunner({
      ...deps,
      present,
      hand,
      plan,
      heap,
      see: (facts) => this.#see(facts),
    });
    this.#turns = new SerialQueue((error) => log('warn', `unexpected: ${messageOf(error)}`));
  }

  /** At each round of the loop; returns at once. */
  attend(situation: Situation): void {
    this.#present.latest = situation;
    const { nowMs, reading } = situation;
    this.#collecting.attend(situation);
    this.#heap.attend(reading);
    this.#heap.follow(situation);
    this.#work.attend(situation);
    this.#growth.attend(situation);
    if (this.#turns.running || this.#present.ended) return;
    const reason = this.#reason();
    if (reason === null) {
      this.#heap.rest(nowMs, reading);
      return;
    }
    if (nowMs < this.#hand.retryMs) return;
    if (reason === 'heap') this.#turns.start(() => this.#askForHeap());
    else if (nowMs - this.#actedMs >= pollIntervalMs(situation)) this.#turns.start(() => this.#act());
  }

  /** The heap against its own limit, while that is near. */
  get heap(): HeapUse | null {
    return this.#heap.use;
  }

  get advice(): Advised[] {
    return this.#heap.advice;
  }

  /** What becomes of collections now, and why. */
  get gc(): RemedyStatus {
    return this.#collecting.status;
  }

  get lastGc(): GcRecord | undefined {
    return this.#collecting.last;
  }

  get growth(): GrowthReport | undefined {
    return this.#growth.report;
  }

  /** What refusing work may still bring: asked at each reading. */
  get reclaimOutlook(): ReclaimOutlook {
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
        const reach = await this.#reached();
        const decision = this.#collecting.decide(await reach.facts(), this.inFlight, true);
        if ('wait' in decision) throw new SpillwayError('unavailable', `no collection now: ${decision.wait}`);
        return await this.#collecting.collect(reach, decision.collect, 'request');
      } catch (error) {
        if (error instanceof RuntimeClientError) this.#failed(error, 'request');
        throw error;
      }
    });
  }

  /**
   * What grew, sampled for `seconds` more, on somebody's request.
   * @throws SpillwayError `busy` or `unavailable`
   */
  async profileNow(seconds: number): Promise<GrowthReport & { file: string | null }> {
    const { clock } = this.#deps;
    await this.#requested(async () => {
      await this.#growth.start();
      this.#heldUntilMs = clock.now() + seconds * 1000 + LINGER_MS;
    });
    if (seconds > 0) await sleep(clock, seconds * 1000);
    return this.#requested(() => this.#growth.read());
  }

  /** Streams a heap snapshot. @throws SpillwayError `busy` or `unavailable` */
  async snapshotNow(file: SnapshotFile): Promise<void> {
    await this.#requested(() => takeSnapshot(this.#present, this.#hand, this.#plan, this.#deps, file));
  }

  /** Lets the runtime go as it was found; nothing is done or told after. Never throws, at most three seconds. */
  async end(): Promise<void> {
    this.#present.ended = true;
    this.#lingering?.cancel();
    const running = Promise.allSettled([this.#turns.running, this.#work.counting]);
    await within(this.#deps.clock, END_MS, running);
    this.#heap.reset();
    await this.#hand.letGo();
  }

  /** Why the runtime is to be asked now; `null` when there is no need, or no way that may be taken. */
  #reason(): 'pressure' | 'heap' | null {
    const { gc, profile } = this.#deps.options;
    if (gc === 'off' && profile === 'off') return null;
    const access = this.#access;
    if (access === 'signal') {
      this.#signalMs = this.#deps.clock.now();
      return 'pressure';
    }
    if (this.#heap.due) return 'heap';
    if (access === 'none') return null;
    if (this.#hand.reach?.opened) return this.#stays ? 'pressure' : null;
    return this.#deps.clock.now() < this.#deferredUntilMs ? null : 'pressure';
  }

  /**
   * What the guardian has opened is kept open for the warning level only while the hold of a worse one lasts or a kill is
   * foreseen: what was turned away comes back all at once, and to open it again took a third of a second, in which an agent
   * grew from 80 % of its limit to its end.
   */
  get #stays(): boolean {
    const { latest } = this.#present;
    if (!latest || latest.nowMs - this.#signalMs > STAYS_MS) return false;
    return atLeast(latest.level, 'shedding') || isForeseen(latest.outlook.secondsToLimit);
  }

  get #access(): Access {
    // full above the shed ratio of its own limit, perhaps with garbage: what may turn work away in a second
    if (this.#heap.unconfirmed) return 'signal';
    const { latest } = this.#present;
    if (!latest) return 'none';
    // V8 gives up within seconds, by its own word and not by a guess from outside
    const { reading, outlook } = latest;
    const level = withoutHold(latest.level, memoryRatio(reading), this.#deps.options);
    const heapEnds = memoryLimitedBy(reading) === 'heap' && isForeseen(outlook.secondsToLimit);
    return heapEnds && atLeast(level, 'warning') ? 'signal' : accessAt(level);
  }

  async #act(): Promise<void> {
    const { clock } = this.#deps;
    try {
      const reach = await this.#reached();
      const heap = await reach.facts();
      this.#see(heap);
      this.#hand.answered();
      const decision = this.#collecting.next(heap, this.inFlight);
      try {
        if ('collect' in decision) await this.#collecting.collect(reach, decision.collect, decision.reason);
        else await this.#growth.follow(reach, heap);
      } finally {
        // whatever came of that: who does not know it cannot end the agent in order
        if (!this.#present.over && atLeast(this.#present.situation.level, 'warning'))
          await this.#askForSigterm(reach);
      }
    } catch (error) {
      if (error instanceof RuntimeClientError && error.deferred)
        this.#deferredUntilMs = clock.now() + LOOK_FOR_OPEN_MS;
      else this.#failed(error, 'pressure');
    } finally {
      this.#actedMs = clock.now();
      this.#linger();
    }
  }

  /**
   * One question, and the runtime is let go at once: there may be no pressure at all. Only near the heap's limit, where
   * nothing else asks on, a few more within 1.5 s tell whether it is the heap that grows.
   */
  async #askForHeap(): Promise<void> {
    this.#mayOpen = true;
    try {
      const reach = await this.#reached();
      this.#see(await reach.facts());
      this.#hand.answered();
      const goesOn = () => this.#heap.near && this.#access !== 'signal' && !this.#present.over;
      for (let looks = 1; looks < MOST_LOOKS && goesOn(); looks++) {
        // a collection that is due now does not wait for it
        for (let ms = 0; ms < LOOKS_APART_MS && goesOn(); ms += STEP_MS)
          await sleep(this.#deps.clock, STEP_MS);
        if (goesOn()) this.#see(await reach.facts());
      }
    } catch (error) {
      this.#failed(error, 'pressure');
    } finally {
      this.#mayOpen = false;
      this.#heap.asked();
      if (this.#access !== 'signal') await this.#hand.letGo();
      else this.#linger();
    }
  }

  /** Lets go once nothing was asked for a while, whatever keeps the next question from being asked. */
  #linger(): void {
    const { clock } = this.#deps;
    this.#lingering?.cancel();
    if (this.#present.ended) return;
    const ms = Math.max(LINGER_MS, this.#heldUntilMs - clock.now());
    this.#lingering = clock.setTimer(() => {
      if (this.#turns.running) this.#linger();
      else if (this.#hand.reach) this.#turns.start(() => this.#hand.letGo());
    }, ms);
  }

  /** The runtime of the process that matters now. What was known of the one before says nothing about it. */
  async #reached(): Promise<RuntimeClient> {
    const before = this.#hand.pid;
    const reach = await this.#hand.open();
    if (before !== undefined && before !== this.#hand.pid) {
      this.#plan.another();
      this.#heap.reset();
    }
    return reach;
  }

  async #askForSigterm(reach: RuntimeClient): Promise<void> {
    const { pid } = this.#hand;
    if (pid === undefined || !reach.catchesSigterm) return;
    const handles = await reach.catchesSigterm().catch(() => null);
    if (handles !== null) this.sigterm = { pid, handles };
  }

  /** Takes in what the runtime said of its heap. */
  #see(facts: HeapFacts | null): void {
    if (!facts) return;
    this.freeHeapBytes = Math.max(0, facts.committedBytes - facts.usedBytes);
    this.#growth.see(facts);
    this.#heap.see(facts);
  }

  /** A way in that did not open: recorded, and tried again later. */
  #failed(error: unknown, trigger: string): void {
    // its end is told, and is no refusal
    if (this.#present.over || this.#present.life.dying()) return;
    const refusal =
      error instanceof RuntimeClientError
        ? error
        : new RuntimeClientError('refused', messageOf(error), { cause: error });
    const times = this.#hand.refused(refusal);
    this.#heap.unanswered(refusal);
    this.#collecting.failed(refusal, times, trigger);
  }

  /** Something asked for from outside. */
  async #requested<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#turns.next(async () => {
        this.#mayOpen = true;
        try {
          return await work();
        } finally {
          this.#mayOpen = false;
          this.#linger();
        }
      });
    } catch (error) {
      if (!(error instanceof RuntimeClientError)) throw error;
      throw new SpillwayError('unavailable', error.message, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }
}
