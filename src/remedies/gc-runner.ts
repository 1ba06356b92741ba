import type { GcDecision, GcReason, GcWait } from '../core/gc/decision.ts';
import type { LastCollection } from '../core/gc/heap-confirm.ts';
import { LeftByWork } from '../core/gc/left-by-work.ts';
import { freedBytes, freedHeapBytes, gcVerdict } from '../core/gc/verdict.ts';
import { describeReason, type GcStanding } from '../core/gc/words.ts';
import type { SpillwayError } from '../core/lib/errors.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { GcWay, HeapFacts } from '../core/model/heap.ts';
import { memoryLimitedBy, memoryRatio, unreclaimableBytes } from '../core/model/reading.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { Level } from '../core/model/status.ts';
import type { Situation } from '../core/ports/ports.ts';
import type { RuntimeClient } from '../core/ports/runtime-client.ts';
import { atLeast } from '../core/pressure/level.ts';
import type { CollectionState } from '../core/recycle/foreseen-kill.ts';
import { isUrgent } from '../core/recycle/urgent.ts';
import { awaitReclaim, type Use } from './await-reclaim.ts';
import { GcRecords, gcStatus } from './gc-records.ts';
import type { HeapMonitor } from './heap-monitor.ts';
import { POLL_MS } from './poll-interval.ts';
import type { SessionParts } from './session-parts.ts';

/** A passing obstacle is reported when it has not passed after so many tries: some 6 s. */
const TOLD_AFTER = 7;
/**
 * An agent that is late is busy, perhaps with its own collections: so often in a row, 6 to 9 s, that tells nothing of the next try. With
 * its heap full V8 collects on its own, and whatever that frees is freed by then.
 */
const LATE_TRIES = { otherwise: 4, heapFull: 0 };
/** A collection tells for so long whether refusing work can bring anything. */
const TELLS_FOR_MS = 5000;
/** … and helps when it made so much of the limit free. */
const HELPS_SHARE = 0.1;
/** What a collection has left is what is in use for so long. */
const LEFT_FOR_MS = 10_000;
/** A question about the end of the agent stands for so long. */
const DECIDES_FOR_MS = 1000;

/** Of the agent: it is drained, so that nothing new comes; or SIGTERM was sent. */
export type Ending = 'no' | 'drained' | 'signalled';

export interface GcRunnerDeps extends SessionParts {
  heap: HeapMonitor;
  /** Requests in flight, as last seen; `null` is not known. */
  inFlight(): number | null;
  /** Whoever wants to know what the runtime said of its heap. */
  see(facts: HeapFacts | null): void;
}

/** Collections in one life of the agent: when, their results, and what they can do for it. */
export class GcRunner {
  readonly #records: GcRecords;
  readonly #deps: GcRunnerDeps;
  #running = false;
  #ending: Ending = 'no';
  /** Whoever would end the agent may wait for what a collection frees. */
  #mayWait = true;
  readonly #leftByWork = new LeftByWork();
  #shedSinceMs: number | null = null;
  /** When the end of the agent last depended on what a collection frees. */
  #decidesMs = Number.NEGATIVE_INFINITY;
  /** When the last try ended, and the last collection. */
  #triedMs = Number.NEGATIVE_INFINITY;
  #collectedMs = Number.NEGATIVE_INFINITY;
  #lateInRow = 0;
  /** What failed last may come out otherwise at the next try. */
  #mayPass = false;
  /** Held after the last collection. */
  #left: LastCollection & { leftBytes: number } = { atMs: Number.NEGATIVE_INFINITY, leftBytes: 0 };
  /** When the next one may be made, as far as the plan says. */
  #waitUntilMs = 0;
  /** Why there was no collection when that was last decided. */
  #wait: GcWait | undefined;

  constructor(deps: GcRunnerDeps) {
    this.#deps = deps;
    this.#records = new GcRecords(deps);
  }

  get last(): GcRecord | undefined {
    return this.#records.last;
  }

  get running(): boolean {
    return this.#running;
  }

  attend(situation: Situation, ending: Ending): void {
    const { nowMs, level, reading } = situation;
    this.#ending = ending;
    const drained = ending === 'drained' && !isUrgent(situation) ? ending : null;
    this.#mayWait = ending === 'no' || drained !== null;
    const awaited = ending === 'no' && this.#requestsWait ? 'waiting' : drained;
    this.#leftByWork.follow(nowMs, this.#deps.inFlight(), awaited);
    this.#deps.plan.follow(unreclaimableBytes(reading));
    const short = atLeast(level, 'shedding') || this.#isDecisive(nowMs);
    this.#shedSinceMs = short ? (this.#shedSinceMs ?? nowMs) : null;
  }

  /** The end of the agent depends on what a collection frees. */
  decides(): void {
    this.#decidesMs = this.#deps.clock.now();
  }

  #isDecisive(nowMs: number): boolean {
    return nowMs - this.#decidesMs < DECIDES_FOR_MS;
  }

  /** While the agent is drained: work has ended since the last collection, so another one tells what is in use, before SIGTERM. */
  get due(): boolean {
    return this.#leftByWork.outdated(this.#deps.clock.now()) === 'drained';
  }

  /** For the status: what becomes of collections now, and why. */
  get status(): RemedyStatus<GcStanding['code']> {
    const { options, context } = this.#deps;
    if (options.gc === 'off') return gcStatus('off', { code: 'switched_off' });
    if (this.#running) return gcStatus('acting', { code: 'running' });
    const last = this.#records.last;
    const short = context.latest !== undefined && atLeast(context.latest.level, 'warning');
    if (!short) return gcStatus('idle', { code: 'no_pressure' });
    if (last?.verdict === 'refused' || last?.verdict === 'timeout')
      return gcStatus('waiting', { code: last.verdict, message: last.note });
    return gcStatus('waiting', this.#wait ?? { code: 'not_answered' });
  }

  /** What collecting can do for the agent now. */
  get state(): CollectionState {
    if (this.#deps.options.gc === 'off') return 'impossible';
    const nowMs = this.#deps.clock.now();
    if (this.helped) return 'useful';
    if (this.due) return 'pending';
    if (this.#leftByRuntime(nowMs)) return 'useless';
    const last = this.#records.last;
    // one after another that frees nothing is no hope: it would put off the graceful end until the kill
    const futile = last?.verdict === 'nothing_freed' && nowMs - this.#collectedMs < TELLS_FOR_MS;
    if (this.#running && !futile && this.#mayWait) return 'pending';
    const sinceMs = this.#shedSinceMs ?? nowMs;
    const tried = this.#triedMs >= sinceMs - TELLS_FOR_MS || nowMs - sinceMs >= 2 * POLL_MS.warning;
    // while the agent is ended nobody tries again
    if ((!tried || this.#mayPass) && this.#ending === 'no') return 'pending';
    if (!last || last.verdict === 'refused' || last.verdict === 'timeout') return 'impossible';
    return this.#ending === 'no' && this.#maySoonHelp(nowMs) ? 'pending' : 'useless';
  }

  /** The runtime collects a nearly full heap by itself: what it has just left, no other collection frees. */
  #leftByRuntime(nowMs: number): boolean {
    const { heap, context, options } = this.#deps;
    const [{ atMs, leftBytes }, reading] = [heap.lastCollection, context.latest?.reading];
    if (leftBytes === null || nowMs - atMs >= TELLS_FOR_MS || !reading?.heap) return false;
    const { usedBytes, limitBytes } = reading.heap;
    if (memoryLimitedBy(reading) !== 'heap' || leftBytes < options.warnRatio * limitBytes) return false;
    return usedBytes - leftBytes < HELPS_SHARE * limitBytes;
  }

  /** A collection has just made room that lasts a while: not one that only keeps the garbage of the moment down. */
  get helped(): boolean {
    const last = this.#records.last;
    const { clock, context, heap } = this.#deps;
    if (!last || clock.now() - this.#collectedMs >= TELLS_FOR_MS) return false;
    const { reading } = context.latest ?? {};
    const freedHeapBytes = heap.use ? (last.freedHeapBytes ?? 0) : 0;
    // V8 reuses the pages that it keeps: against its own limit it is no matter whether they went back
    if (heap.use && reading && memoryLimitedBy(reading) === 'heap')
      return freedHeapBytes >= HELPS_SHARE * heap.use.limitBytes;
    const room = Math.max(last.freedBytes, freedHeapBytes);
    return last.verdict === 'freed' && room >= HELPS_SHARE * (reading?.limitBytes ?? 0);
  }

  /** What has grown since the last collection may be garbage, and the next one is due. */
  #maySoonHelp(nowMs: number): boolean {
    const { leftBytes, usedBytes, limitBytes } = this.#nearer;
    const grownBytes = usedBytes - (leftBytes ?? usedBytes);
    return grownBytes >= HELPS_SHARE * limitBytes && this.#waitUntilMs - nowMs < POLL_MS.warning;
  }

  /** Of the nearer limit, what the last collection has left in use, 0…1; `null` where there was none lately. */
  get leftRatio(): number | null {
    const { atMs, leftBytes, limitBytes } = this.#nearer;
    if (leftBytes === null || this.#deps.clock.now() - atMs >= LEFT_FOR_MS) return null;
    return leftBytes / limitBytes;
  }

  /** What is in use of the nearer limit, and what the last collection has left of that; `null` where that is unknown. */
  get #nearer(): { atMs: number; leftBytes: number | null; usedBytes: number; limitBytes: number } {
    const { context, heap } = this.#deps;
    const { reading } = context.situation;
    const inHeap = memoryLimitedBy(reading) === 'heap' ? reading.heap : null;
    const inContainer = { usedBytes: unreclaimableBytes(reading), limitBytes: reading.limitBytes };
    return inHeap ? { ...inHeap, ...heap.lastCollection } : { ...inContainer, ...this.#left };
  }

  /** What to do under pressure. `inFlight` is the requests in flight; `null` is unknown. */
  next(heap: HeapFacts | null, inFlight: number | null): GcDecision {
    const off: GcDecision = { wait: { code: 'switched_off' } };
    const decision = this.#deps.options.gc === 'off' ? off : this.decide(heap, inFlight, false);
    this.#waitUntilMs = 'wait' in decision ? (decision.untilMs ?? Number.POSITIVE_INFINITY) : 0;
    this.#wait = 'wait' in decision ? decision.wait : undefined;
    return decision;
  }

  decide(heap: HeapFacts | null, inFlight: number | null, forced: boolean): GcDecision {
    const { context, plan, clock, heap: watch } = this.#deps;
    const { reading, outlook } = context.situation;
    return plan.decide({
      nowMs: clock.now(),
      level: this.#levelFelt(),
      ratio: memoryRatio({ ...reading, heap: watch.use }), // what was just told, and not yet read by the loop
      heldBytes: unreclaimableBytes(reading),
      limitBytes: reading.limitBytes,
      secondsToLimit: outlook.secondsToLimit,
      heap,
      runtime: context.agent.worker.runtime,
      forced,
      loadGone: (this.due ? this.#deps.inFlight() : inFlight) === 0,
      outdated: this.#leftByWork.outdated(clock.now()),
    });
  }

  get #requestsWait(): boolean {
    const { context, hooks } = this.#deps;
    return (hooks.of(context.agent.worker.pid)?.state?.waiting ?? 0) > 0;
  }

  /** The level as those feel it whom a stop would delay. */
  #levelFelt(): Level {
    const { level, ready, stuck } = this.#deps.context.situation;
    // who waits for memory would rather wait for a stop
    if (this.#requestsWait || this.#isDecisive(this.#deps.clock.now()))
      return atLeast(level, 'shedding') ? level : 'shedding';
    // relieved: work comes in while the level is held, and would feel a long stop
    return level === 'shedding' && ready && !stuck ? 'warning' : level;
  }

  /** @throws SpillwayError, SpillwayError `unavailable` */
  async collect(client: RuntimeClient, way: GcWay, reason: GcReason): Promise<GcRecord> {
    const { context, connection, clock } = this.#deps;
    context.check();
    const asked = { at: new Date(clock.wallMs()).toISOString(), trigger: describeReason(reason) };
    const before = { held: context.held(), rss: context.agent.rssBytes() };
    this.#running = true;
    try {
      return await connection.occupy(this.#collect(client, way, before, asked));
    } finally {
      this.#triedMs = clock.now();
      this.#running = false;
    }
  }

  async #collect(
    client: RuntimeClient,
    way: GcWay,
    { held, rss }: Use,
    asked: Pick<GcRecord, 'at' | 'trigger'>,
  ) {
    const { context, plan, clock, heap, see } = this.#deps;
    const inFlight = this.#deps.inFlight();
    const run = await client.collect(way);
    const endedMs = clock.now();
    this.#collectedMs = endedMs;
    this.#leftByWork.collected(inFlight);
    this.#lateInRow = 0;
    this.#mayPass = false;
    heap.collected(endedMs, run.after);
    see(run.after);
    // a heap near its own limit may meet it within this wait
    const watchHeap = async () => {
      if (heap.use) see(await client.facts().catch(() => null));
    };
    const done = { runtime: client.runtime, run, before: { held, rss } };
    const low = await awaitReclaim(context, clock, done, watchHeap);
    context.check(); // what a dying process returns was not collected
    const freed = {
      freedCgroupBytes: Math.max(0, held - low.held),
      freedRssBytes: rss === null || low.rss === null ? null : Math.max(0, rss - low.rss),
    };
    const outcome = gcVerdict({ ...run, ...freed, usedBytesBefore: held, runtime: client.runtime });
    const back = freedBytes(freed);
    this.#left = { atMs: clock.now(), leftBytes: low.held };
    plan.ran({ ...run, endedMs, freedBytes: back, usedBytesBefore: held, usedBytesAfter: low.held });
    if (outcome.verdict === 'not_returned') outcome.hint = client.returnHint?.() ?? outcome.hint;
    const sums = { freedBytes: back, ...freed, freedHeapBytes: freedHeapBytes(run), stallMs: run.stallMs };
    return this.#records.add({ ...asked, ...outcome, way: run.way, ...sums });
  }

  /** The runtime could not be reached, so often in a row. */
  failed(refusal: SpillwayError, times: number, trigger: string): void {
    const { clock, options, plan } = this.#deps;
    this.#triedMs = clock.now();
    if (options.gc === 'off') return;
    const late = refusal.code === 'timeout';
    const passing = refusal.retryable && times < TOLD_AFTER;
    this.#lateInRow = late ? this.#lateInRow + 1 : 0;
    const lateTries = this.#deps.heap.full ? LATE_TRIES.heapFull : LATE_TRIES.otherwise;
    this.#mayPass = late ? this.#lateInRow <= lateTries : passing;
    const known = passing || this.#records.last?.note === refusal.message;
    plan.failed(late ? 'timeout' : 'refused', clock.now(), refusal.retryable);
    this.#records.failed(refusal, trigger, known);
  }
}
