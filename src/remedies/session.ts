import { GcPlan } from '../core/gc/plan.ts';
import { describeStanding } from '../core/gc/words.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import { SerialQueue } from '../core/lib/serial-queue.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { GrowthReport } from '../core/model/growth-report.ts';
import type { HeapFacts } from '../core/model/heap.ts';
import type { Advised } from '../core/model/notice.ts';
import type { HeapUse } from '../core/model/reading.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { AgentProcess, Situation } from '../core/ports/ports.ts';
import { asRuntimeError, isRuntimeError, type RuntimeClient } from '../core/ports/runtime-client.ts';
import { atLeast } from '../core/pressure/level.ts';
import type { ReclaimOutlook } from '../core/pressure/readiness.ts';
import type { CollectionState } from '../core/recycle/foreseen-kill.ts';
import { type Ending, GcRunner } from './gc-runner.ts';
import { lookOn } from './heap-looks.ts';
import { HeapMonitor } from './heap-monitor.ts';
import { HeapProfiler } from './heap-profiler.ts';
import { type SnapshotFile, takeSnapshot } from './heap-snapshot.ts';
import { InFlightMonitor } from './in-flight-monitor.ts';
import { Linger } from './linger.ts';
import { pollIntervalMs } from './poll-interval.ts';
import type { Inside } from './recycler-deps.ts';
import { RuntimeAccess } from './runtime-access.ts';
import { RuntimeConnection } from './runtime-connection.ts';
import { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';
import type { SessionParts } from './session-parts.ts';
import { sleep, within } from './waiting.ts';

/** At the end what runs may end by itself for so long. */
const END_MS = 500;

/**
 * What is done for one life of the agent from inside its runtime: its garbage collected, its heap asked for, its growth
 * named. One thing at a time, each beside the loop, each with an end; what fails is recorded and tried again later.
 */
export class RuntimeSession implements Inside {
  readonly #parts: SessionParts;
  readonly #context: SessionContext;
  readonly #connection: RuntimeConnection;
  readonly #heap: HeapMonitor;
  readonly #inFlightMonitor: InFlightMonitor;
  readonly #profiler: HeapProfiler;
  readonly #gcRunner: GcRunner;
  readonly #queue: SerialQueue;
  readonly #access: RuntimeAccess;
  readonly #linger: Linger;

  #actedMs = Number.NEGATIVE_INFINITY;
  #sigterm: Inside['sigterm'] = null;
  #freeHeapBytes = 0;

  constructor(agent: AgentProcess, deps: SessionDeps) {
    const { options, clock, log } = deps;
    const { gcStallBudget: stallBudgetShare, warnRatio } = options;
    const context = new SessionContext(agent);
    const heap = new HeapMonitor(context, deps);
    const access = new RuntimeAccess(context, heap, deps);
    const connection = new RuntimeConnection(context, deps, () => access.maySignal);
    const plan = new GcPlan({ stallBudgetShare, warnRatio, sinceMs: clock.now() });
    const inFlight = () => deps.hooks.requests()?.inFlight ?? this.#inFlightMonitor.inFlight;
    const see = (facts: HeapFacts | null) => this.#see(facts);
    this.#parts = { ...deps, context, connection, plan };
    this.#context = context;
    this.#connection = connection;
    this.#heap = heap;
    this.#access = access;
    this.#inFlightMonitor = new InFlightMonitor(context, connection, deps);
    this.#profiler = new HeapProfiler(this.#parts);
    this.#gcRunner = new GcRunner({ ...this.#parts, heap, see, inFlight });
    this.#queue = new SerialQueue((error) => log('warn', `unexpected: ${messageOf(error)}`));
    this.#linger = new Linger(connection, this.#queue, clock);
  }

  /**
   * At each round of the loop; returns at once.
   * @param ending while the agent is ended, GC has freed nothing, and a stop only delays what is in flight, until that has ended
   */
  attend(situation: Situation, ending: Ending): void {
    this.#context.attend(situation);
    this.#gcRunner.attend(situation, ending);
    this.#heap.attend(situation.reading);
    this.#heap.follow(situation);
    this.#inFlightMonitor.attend(situation);
    this.#profiler.attend(situation);
    if ((ending !== 'no' && !this.#gcRunner.due) || this.#queue.running || this.#context.ended) return;
    const reason = this.#access.reason(this.#connection.client?.opened === true);
    if (reason === null) {
      this.#heap.rest(situation.nowMs, situation.reading);
      return;
    }
    if (situation.nowMs < this.#connection.retryMs) return;
    if (reason === 'heap') this.#queue.start(() => this.#askForHeap());
    else if (situation.nowMs - this.#actedMs >= pollIntervalMs(situation, this.#access.requestsWait))
      this.#queue.start(() => this.#act());
  }

  /** The heap against its own limit, while that is near. */
  get heap(): HeapUse | null {
    return this.#heap.use;
  }

  /** Whether the program of a process handles SIGTERM, by its runtime; `null` before it was asked. */
  get sigterm(): Inside['sigterm'] {
    return this.#sigterm;
  }

  /** Charged, but free inside the heap, as last told; 0 where that is not known. */
  get freeHeapBytes(): number {
    return this.#freeHeapBytes;
  }

  get advice(): Advised[] {
    return this.#heap.advice;
  }

  /** What becomes of collections now, and why. */
  get gc(): RemedyStatus {
    return this.#gcRunner.status;
  }

  get lastGc(): GcRecord | undefined {
    return this.#gcRunner.last;
  }

  get growth(): GrowthReport | undefined {
    return this.#profiler.report;
  }

  /** What refusing work may still bring: asked at each reading. */
  get reclaimOutlook(): ReclaimOutlook {
    const { collections, inFlight } = this;
    const collecting = collections === 'pending' || collections === 'useful';
    const working = inFlight === null ? null : inFlight > 0;
    return { collecting, collected: this.#gcRunner.helped, working };
  }

  /** What collecting can do for the agent now. */
  get collections(): CollectionState {
    return this.#gcRunner.state;
  }

  /** In flight, as last seen under pressure; `null` is not known. */
  get inFlight(): number | null {
    return this.#inFlightMonitor.inFlight;
  }

  get endsInSeconds(): number | null {
    return this.#inFlightMonitor.endsInSeconds;
  }
  get heapBytes(): number | null {
    return this.#heap.leastBytes;
  }
  get leftRatio(): number | null {
    return this.#gcRunner.leftRatio;
  }

  decidesOnGc(): void {
    this.#gcRunner.decides();
  }

  /** Requests in flight now; `null` where that is unknown. Never rejects; a caller meanwhile gets the same answer. */
  countInFlight(): Promise<number | null> {
    return this.#inFlightMonitor.count();
  }

  /** Collects now, on somebody's request. @throws SpillwayError `busy` or `unavailable` */
  async collectNow(): Promise<GcRecord> {
    if (this.#gcRunner.running) throw new SpillwayError('busy', 'a collection is running');
    return this.#requested(async () => {
      try {
        const client = await this.#connected();
        const decision = this.#gcRunner.decide(await client.facts(), this.inFlight, true);
        if ('wait' in decision)
          throw new SpillwayError('unavailable', `no collection now: ${describeStanding(decision.wait)}`);
        return await this.#gcRunner.collect(client, decision.collect, decision.reason);
      } catch (error) {
        if (isRuntimeError(error)) this.#failed(error, 'request');
        throw error;
      }
    });
  }

  /** What grew, sampled for `seconds` more, on somebody's request. @throws SpillwayError `busy` or `unavailable` */
  async profileNow(seconds: number): Promise<GrowthReport & { file: string | null }> {
    const { clock } = this.#parts;
    await this.#requested(async () => {
      await this.#profiler.start();
      this.#linger.atLeast(seconds * 1000);
    });
    if (seconds > 0) await sleep(clock, seconds * 1000);
    return this.#requested(() => this.#profiler.read());
  }

  /** Streams a heap snapshot. @throws SpillwayError `busy` or `unavailable` */
  async snapshotNow(file: SnapshotFile): Promise<void> {
    await this.#requested(() => takeSnapshot(this.#parts, file));
  }

  /** Lets the runtime go as it was found; nothing is done or told after. Never throws, at most three seconds. */
  async end(): Promise<void> {
    this.#context.end();
    this.#linger.end();
    const running = Promise.allSettled([this.#queue.running, this.#inFlightMonitor.counting]);
    await within(this.#parts.clock, END_MS, running);
    this.#heap.reset();
    await this.#connection.letGo();
  }

  async #act(): Promise<void> {
    const { clock } = this.#parts;
    try {
      const client = await this.#connected();
      const heap = await client.facts();
      this.#see(heap);
      this.#connection.answered();
      const decision = this.#gcRunner.next(heap, this.#inFlightMonitor.whileNear);
      try {
        if ('collect' in decision) await this.#gcRunner.collect(client, decision.collect, decision.reason);
        else await this.#profiler.follow(client, heap);
      } finally {
        // whatever came of that: who does not know it cannot end the agent in order
        if (!this.#context.over && atLeast(this.#context.situation.level, 'warning'))
          await this.#askForSigterm(client);
      }
    } catch (error) {
      if (error instanceof SpillwayError && error.code === 'deferred') this.#access.deferred();
      else this.#failed(error, 'pressure');
    } finally {
      this.#actedMs = clock.now();
      this.#linger.start();
    }
  }

  /** One question, and the runtime is let go at once: there may be no pressure at all. Near the heap's limit a few more tell whether it grows. */
  async #askForHeap(): Promise<void> {
    try {
      await this.#access.granted(async () => {
        const client = await this.#connected();
        this.#see(await client.facts());
        this.#connection.answered();
        const goesOn = () => this.#heap.near && this.#access.now !== 'signal' && !this.#context.over;
        await lookOn(this.#parts.clock, goesOn, async () => this.#see(await client.facts()));
      });
    } catch (error) {
      this.#failed(error, 'pressure');
    } finally {
      this.#heap.asked();
      if (this.#access.now !== 'signal') await this.#connection.letGo();
      else this.#linger.start();
    }
  }

  /** The runtime of the process that matters now. What was known of the one before says nothing about it. */
  async #connected(): Promise<RuntimeClient> {
    const before = this.#connection.pid;
    const client = await this.#connection.open();
    if (before !== undefined && before !== this.#connection.pid) {
      this.#parts.plan.another();
      this.#heap.reset();
    }
    return client;
  }

  async #askForSigterm(client: RuntimeClient): Promise<void> {
    const { pid } = this.#connection;
    if (pid === undefined || !client.catchesSigterm) return;
    const handles = await client.catchesSigterm().catch(() => null);
    if (handles !== null) this.#sigterm = { pid, handles };
  }

  /** Takes in what the runtime said of its heap. */
  #see(facts: HeapFacts | null): void {
    if (!facts) return;
    this.#freeHeapBytes = Math.max(0, facts.committedBytes - facts.usedBytes);
    this.#profiler.see(facts);
    this.#heap.see(facts);
  }

  /** A connection that did not open: recorded, and tried again later. */
  #failed(error: unknown, trigger: string): void {
    // its end is reported, and is no refusal
    if (this.#context.over || this.#context.agent.dying()) return;
    const refusal = asRuntimeError(error);
    const times = this.#connection.refused(refusal);
    this.#heap.unanswered(refusal);
    this.#gcRunner.failed(refusal, times, trigger);
  }

  /** Something asked for from outside. */
  async #requested<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#queue.next(() => this.#access.granted(work).finally(() => this.#linger.start()));
    } catch (error) {
      throw isRuntimeError(error) ? SpillwayError.from(error, 'unavailable') : error;
    }
  }
}
