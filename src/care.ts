import { messageOf, SpillwayError } from './core/errors.ts';
import { GcPlan } from './core/gc-plan.ts';
import type { GcRecord, GcVerdict } from './core/gc-record.ts';
import { freedBytes, freedHeapBytes, gcFailure, gcVerdict } from './core/gc-verdict.ts';
import { growthKinds, type MemoryFacts } from './core/growth-kinds.ts';
import type { GrowthReport } from './core/growth-report.ts';
import { confirmHeap, UNCROSSED } from './core/heap-confirm.ts';
import type { Finding } from './core/judge.ts';
import { atLeast, type Thresholds } from './core/level.ts';
import { askHeapEveryMs, type HeapLook, heapAdvice } from './core/near-heap-limit.ts';
import type { AgentLife, Clock, Situation } from './core/ports.ts';
import {
  type Collection,
  type GcWay,
  type HeapFacts,
  type Profile,
  type Reach,
  ReachError,
} from './core/reach.ts';
import type { Hope } from './core/readiness.ts';
import { type HeapUse, heldBytes, type Reading, ratioOf } from './core/reading.ts';
import type { CollectionState } from './core/recycle-plan.ts';
import { snapshotRoom } from './core/snapshot-room.ts';
import type { Level } from './core/status.ts';

export interface CareOptions extends Thresholds {
  gc: 'auto' | 'inspect-only' | 'off';
  /** Share of wall time, 0…1. */
  gcStallBudget: number;
  profile: 'auto' | 'off';
}

export interface CareDeps {
  options: CareOptions;
  clock: Clock;
  /** A way into the runtime of a process, or in words why there is none. */
  reach(worker: AgentLife['worker']): Promise<Reach | string>;
  /** Connections of clients to the agent's processes, main process first; `null` where they cannot be seen. */
  connections(pids: readonly number[], leaveOutPorts: readonly number[]): Promise<number | null>;
  tell(finding: Finding): void;
  log(level: 'info' | 'warn', message: string): void;
  collected(record: GcRecord): void;
  /** Main loop of the agent stood still for something else than a collection, in milliseconds. */
  stalled(ms: number): void;
  /** Keeps the file of a profile; resolves to its path, or to `null` where nothing is kept. */
  keep(profile: NonNullable<Profile['file']>): Promise<string | null>;
}

/** The runtime is let go when there has been no reason to hold it for this long. */
const LINGER_MS = 10_000;
/** How often the runtime is asked: at the warning level, and from shedding on. One question costs it 1–4 ms. */
const ASK_MS = { warning: 1000, shedding: 250, urgent: 40 };
/** So many questions fit into the time to the limit. */
const ASKS_AHEAD = 8;
/** Pages come back to the system a while after the collection: how long is waited for them. */
const SETTLE_MS: Readonly<Record<GcWay, number>> = { thorough: 250, quick: 1000 };
const SETTLE_OTHER_MS = 3500;
const SETTLE_STEP_MS = 25;
/** So little is not waited for. */
const SETTLE_NOISE_BYTES = 2 ** 20;
const RISES_AGAIN_SHARE = 0.02;
/** The same outcome again is told this much later: `lastGc` and the metrics have every run. */
const TELL_AGAIN_MS = 60_000;
/** What the heap was is no longer what it is, when the agent has not answered for so long. */
const STALE_HEAP_MS = 10_000;

/** At the end: what runs may end by itself for so long, then the runtime is let go, which takes two seconds at most. */
const END_MS = { running: 500, release: 2200 };
/** A directory that does not answer must not hold up the next collection. */
const KEEP_MS = 5000;

/** Profile: the first reading after so much growth (of the limit) or time, the next ones so far apart. */
const NAME_AFTER_SHARE = 0.02;
const NAME_AFTER_MS = { least: 500, most: 5000 };
const NAME_EVERY_MS = 30_000;
/** A refusal that may pass is tried again soon, what was late after a while, others ever more rarely. */
const RETRY_MS = {
  passing: { first: 100, longest: 10_000 },
  timeout: { first: 2000, longest: 60_000 },
  refused: { first: 30_000, longest: 600_000 },
};
/** What may pass is told when it has not after so many tries: some 6 s. */
const TOLD_AFTER = 7;
/** A collection tells for so long whether refusing work can bring anything. */
const TELLS_FOR_MS = 5000;
/** … and helps when it made so much of the limit free. */
const HELPS_SHARE = 0.1;
const IN_FLIGHT_EVERY_MS = 250;
/** A limit this near may soon be a reason to end the agent in order: what it has in work is to be known. */
const NEAR_SECONDS = 15;

/**
 * What is done for one life of the agent from inside its runtime: its garbage collected, its heap asked for, its growth
 * named. One thing at a time, each beside the loop, each with an end; what fails is recorded and tried again later.
 */
export class Care {
  heap: HeapUse | null = null;
  lastGc: GcRecord | undefined;
  growth: GrowthReport | undefined;
  advice: string[] = [];
  /** Whether the program handles SIGTERM, as its runtime says; `null` is not known. */
  catchesSigterm: boolean | null = null;

  readonly #deps: CareDeps;
  readonly #life: AgentLife;
  readonly #plan: GcPlan;
  #reach: Reach | undefined;
  #reached: AgentLife['worker'] | undefined;
  #situation: Situation | undefined;
  /** Let go, or being let go. */
  #left: Reach | undefined;
  #busy: Promise<unknown> | undefined;
  #counting: Promise<number | null> | undefined;
  #collecting = false;
  /** Something that may take long, and what asks the runtime meanwhile would wait for. */
  #occupied = false;
  #ended = false;

  #actedMs = Number.NEGATIVE_INFINITY;
  #neededMs = Number.NEGATIVE_INFINITY;
  #heldUntilMs = Number.NEGATIVE_INFINITY;
  #retryMs = Number.NEGATIVE_INFINITY;
  #refusals = 0;
  #confirmation = UNCROSSED;
  #collectedMs = Number.NEGATIVE_INFINITY;
  #leftHeapBytes = 0;
  readonly #toldMs = new Map<GcVerdict, number>();
  /** Held after the last collection. */
  #leftBytes = 0;
  /** When the next collection may be made, as far as the plan says. */
  #waitUntilMs = 0;
  #heapLimitBytes: number | null = null;
  #heapLimitTold = false;
  /** What the advice is about; it is worked out anew only when that changes. */
  #advised = { bytes: 0, limitBytes: 0 };
  #heapLook: HeapLook | null = null;

  #shedSinceMs: number | null = null;
  #triedMs = Number.NEGATIVE_INFINITY;
  #workSeenMs = Number.NEGATIVE_INFINITY;

  /** When things were still calm: growth is told against it. */
  #baseline: MemoryFacts | undefined;
  #profile: { sinceMs: number; heldBytes: number; readMs: number | null; level: Level } | undefined;
  #named = false;
  #profileRetryMs = Number.NEGATIVE_INFINITY;

  constructor(life: AgentLife, deps: CareDeps) {
    this.#life = life;
    this.#deps = deps;
    this.#plan = new GcPlan({
      stallBudgetShare: deps.options.gcStallBudget,
      warnRatio: deps.options.warnRatio,
      sinceMs: deps.clock.now(),
    });
  }

  /** At each round of the loop; returns at once. */
  attend(situation: Situation): void {
    this.#situation = situation;
    const { nowMs, level, reading } = situation;
    this.#shedSinceMs = atLeast(level, 'shedding') ? (this.#shedSinceMs ?? nowMs) : null;
    this.#watchHeapLimit(reading);
    this.#watchWork(situation);
    if (!this.#baseline && situation.processes.length > 0) this.#baseline = this.#memory(situation);
    if (this.#busy || this.#ended) return;
    const everyMs = this.#need(situation);
    if (everyMs === null) {
      this.heap = null;
      if (this.#reach && nowMs >= Math.max(this.#heldUntilMs, this.#neededMs + LINGER_MS))
        this.#run(() => this.#letGo());
      return;
    }
    this.#neededMs = nowMs;
    if (nowMs - this.#actedMs >= everyMs && nowMs >= this.#retryMs) this.#run(() => this.#act());
  }

  /** What refusing work may still bring: asked at each reading. */
  get hope(): Hope {
    const { collections } = this;
    return {
      collecting: collections === 'pending' || collections === 'useful',
      collected: this.#helped(this.#deps.clock.now()),
      working: this.inFlight === null ? null : this.inFlight > 0,
    };
  }

  /** What collecting can do for the agent now. */
  get collections(): CollectionState {
    if (this.#deps.options.gc === 'off') return 'impossible';
    if (this.#collecting) return 'pending';
    const nowMs = this.#deps.clock.now();
    const sinceMs = this.#shedSinceMs ?? nowMs;
    const triedHere = this.#triedMs >= sinceMs - TELLS_FOR_MS;
    if (!triedHere && nowMs - sinceMs < 2 * ASK_MS.warning) return 'pending';
    const { lastGc } = this;
    if (!lastGc || lastGc.verdict === 'refused' || lastGc.verdict === 'timeout') return 'impossible';
    if (this.#helped(nowMs)) return 'useful';
    return this.#maySoonHelp(nowMs) ? 'pending' : 'useless';
  }

  /** What has grown since the last collection may be garbage, and the next one is due. */
  #maySoonHelp(nowMs: number): boolean {
    const { reading } = this.#now();
    const grownShare = (heldBytes(reading) - this.#leftBytes) / reading.limitBytes;
    return grownShare >= HELPS_SHARE && this.#waitUntilMs - nowMs < ASK_MS.warning;
  }

  /** A collection has just made room that lasts a while: not one that only keeps the garbage of the moment down. */
  #helped(nowMs: number): boolean {
    const { lastGc } = this;
    if (lastGc?.verdict !== 'freed' || nowMs - this.#collectedMs >= TELLS_FOR_MS) return false;
    const limitBytes = this.#situation?.reading.limitBytes ?? 0;
    const room = Math.max(lastGc.freedBytes, this.heap ? (lastGc.freedHeapBytes ?? 0) : 0);
    return room >= HELPS_SHARE * limitBytes;
  }

  /** Collects now, on somebody's request. @throws SpillwayError `busy` or `unavailable` */
  async collectNow(): Promise<GcRecord> {
    if (this.#collecting) throw new SpillwayError('busy', 'a collection is running');
    return this.#exclusively(async () => {
      try {
        const reach = await this.#open();
        const heap = await reach.facts();
        const decision = this.#decide(heap, true);
        if ('wait' in decision) throw new SpillwayError('unavailable', `no collection now: ${decision.wait}`);
        return await this.#collect(reach, decision.collect, 'request');
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
    await this.#exclusively(() => this.#startProfile());
    this.#heldUntilMs = this.#deps.clock.now() + seconds * 1000 + LINGER_MS;
    if (seconds > 0) await this.#sleep(seconds * 1000);
    return this.#exclusively(() => this.#readProfile());
  }

  /** Streams a heap snapshot. @throws SpillwayError `busy` or `unavailable` */
  async snapshotNow(write: (chunk: string) => Promise<void>): Promise<void> {
    await this.#exclusively(async () => {
      const reach = await this.#open();
      if (!reach.snapshot)
        throw new SpillwayError('unavailable', `no heap snapshots of ${reach.runtime} agents`);
      const heap = await reach.facts();
      const reading = this.#situation?.reading;
      if (!heap || !reading) throw new SpillwayError('unavailable', 'the size of the heap is not known');
      const room = snapshotRoom({
        heapUsedBytes: heap.usedBytes,
        limitBytes: reading.limitBytes,
        heldBytes: heldBytes(reading),
      });
      if (room !== 'ok') throw new SpillwayError('unavailable', room);
      this.#check();
      const { clock, stalled } = this.#deps;
      const startMs = clock.now();
      this.#occupied = true;
      try {
        await reach.snapshot(write);
      } finally {
        // V8 stops the agent for nearly all of it
        const endedMs = clock.now();
        stalled(endedMs - startMs);
        this.#plan.stalled(endedMs - startMs, endedMs);
        this.#occupied = false;
      }
    });
  }

  /** Lets the runtime go as it was found; nothing is done or told after. Never throws, at most three seconds. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#within(END_MS.running, Promise.allSettled([this.#busy, this.#counting]));
    await this.#letGo();
  }

  /** How often the runtime is to be asked now, in milliseconds; `null` when there is no need. */
  #need({ level, outlook, reading }: Situation): number | null {
    const { gc, profile } = this.#deps.options;
    if (gc === 'off' && profile === 'off') return null;
    const urgentMs = Math.max(ASK_MS.urgent, ((outlook.secondsToLimit ?? Infinity) * 1000) / ASKS_AHEAD);
    if (atLeast(level, 'shedding')) return Math.min(urgentMs, ASK_MS.shedding);
    if (atLeast(level, 'warning')) return Math.min(urgentMs, ASK_MS.warning);
    const watch = this.#heapWatch(reading);
    if (watch !== null) return watch;
    if (this.#plan.owes) return ASK_MS.warning;
    return gc !== 'off' && this.#plan.foresees(outlook.secondsToLimit) ? ASK_MS.warning : null;
  }

  async #act(): Promise<void> {
    const { clock, options } = this.#deps;
    try {
      const reach = await this.#open();
      const heap = await reach.facts();
      this.#see(heap);
      this.#refusals = 0;
      if (atLeast(this.#now().level, 'warning')) await this.#askForSigterm(reach);
      this.#check();
      const decision = options.gc === 'off' ? { wait: 'off' } : this.#decide(heap, false);
      this.#waitUntilMs = 'wait' in decision ? (decision.untilMs ?? Number.POSITIVE_INFINITY) : 0;
      if ('collect' in decision) await this.#collect(reach, decision.collect, decision.reason);
      else await this.#followGrowth(reach, heap).catch((error: unknown) => this.#cannotProfile(error));
    } catch (error) {
      this.#failed(error, 'pressure');
    } finally {
      this.#actedMs = clock.now();
    }
  }

  /** SIGTERM goes to the agent's own process: what another one below it would do says nothing. */
  async #askForSigterm(reach: Reach): Promise<void> {
    const own = this.#life.worker.pid === this.#life.info.pid;
    if (!own || !reach.catchesSigterm) this.catchesSigterm = null;
    else this.catchesSigterm = await reach.catchesSigterm().catch(() => this.catchesSigterm);
  }

  #decide(heap: HeapFacts | null, forced: boolean) {
    const { level, reading, outlook } = this.#now();
    const calm = !atLeast(level, 'warning');
    return this.#plan.decide({
      nowMs: this.#deps.clock.now(),
      level,
      ratio: ratioOf({ ...reading, heap: this.heap }), // what was just told, and not yet read by the loop
      heldBytes: heldBytes(reading),
      limitBytes: reading.limitBytes,
      secondsToLimit: outlook.secondsToLimit,
      heap,
      heapSpace: this.#life.worker.runtime === 'node' ? 'node' : 'other',
      forced,
      loadGone: calm || this.inFlight === 0,
    });
  }

  async #collect(reach: Reach, way: GcWay, trigger: string): Promise<GcRecord> {
    this.#check();
    const { clock } = this.#deps;
    const at = new Date(clock.wallMs()).toISOString();
    const held = this.#held();
    const rss = this.#life.rssBytes();
    this.#collecting = true;
    try {
      const run = await reach.collect(way);
      const endedMs = clock.now();
      this.#collectedMs = endedMs;
      this.#leftHeapBytes = run.after?.limitedBytes ?? 0;
      this.#see(run.after);
      const low = await this.#settled(reach, run, held, rss);
      this.#check(); // what a dying process gives back was not collected
      const freed = {
        freedCgroupBytes: Math.max(0, held - low.held),
        freedRssBytes: rss === null || low.rss === null ? null : Math.max(0, rss - low.rss),
      };
      const outcome = gcVerdict({ ...run, ...freed, usedBytesBefore: held, runtime: reach.runtime });
      const { stallMs } = run;
      const back = freedBytes(freed);
      this.#leftBytes = low.held;
      this.#plan.ran({ ...run, endedMs, freedBytes: back, usedBytesBefore: held, usedBytesAfter: low.held });
      const sums = { freedBytes: back, ...freed, freedHeapBytes: freedHeapBytes(run), stallMs };
      if (outcome.verdict === 'collected but not returned')
        outcome.mend = reach.returnMend?.() ?? outcome.mend;
      return this.#record({ at, ...outcome, way: run.way, trigger, ...sums });
    } finally {
      this.#triedMs = clock.now();
      this.#collecting = false;
    }
  }

  /** The lowest use seen after a collection: pages come back a while after it. */
  async #settled(reach: Reach, run: Collection, held: number, rss: number | null) {
    const waitMs = reach.runtime === 'node' ? SETTLE_MS[run.way] : SETTLE_OTHER_MS;
    const enough = 0.8 * (freedHeapBytes(run) ?? Number.POSITIVE_INFINITY) - SETTLE_NOISE_BYTES;
    // an agent that has begun to fill the gap tells no more about it, and may need the next collection
    const rise = RISES_AGAIN_SHARE * this.#now().reading.limitBytes;
    const low = { held, rss };
    for (let waited = 0; waited <= waitMs && !this.#ended; waited += SETTLE_STEP_MS) {
      const heldNow = this.#held();
      low.held = Math.min(low.held, heldNow);
      const rssNow = this.#life.rssBytes();
      if (low.rss !== null && rssNow !== null) low.rss = Math.min(low.rss, rssNow);
      if (held - low.held >= enough || heldNow > low.held + rise) break;
      // a heap near its own limit may meet it within this wait
      if (this.heap && waited > 0 && waited % ASK_MS.shedding === 0) this.#see(await reach.facts());
      await this.#sleep(SETTLE_STEP_MS);
    }
    return low;
  }

  /** From the warning level on: allocations are sampled, and what grew gets its name. */
  async #followGrowth(reach: Reach, heap: HeapFacts | null): Promise<void> {
    const { level, reading } = this.#now();
    if (this.#deps.options.profile === 'off' || !reach.profile || !atLeast(level, 'warning')) return;
    if (this.#deps.clock.now() < this.#profileRetryMs) return;
    if (!this.#profile) return this.#startProfile();
    const { sinceMs, readMs, heldBytes: from, level: readAt } = this.#profile;
    const nowMs = this.#deps.clock.now();
    const grownShare = (heldBytes(reading) - from) / reading.limitBytes;
    const first =
      nowMs - sinceMs >= (grownShare >= NAME_AFTER_SHARE ? NAME_AFTER_MS.least : NAME_AFTER_MS.most);
    const again =
      readMs !== null && (nowMs - readMs >= NAME_EVERY_MS || (level !== readAt && atLeast(level, readAt)));
    if (readMs === null ? !first : !again) return;
    if (!this.#plan.affordsLook(heap, heldBytes(reading), nowMs)) return;
    await this.#readProfile();
  }

  /** What grows may stay without a name; collecting goes on. */
  #cannotProfile(error: unknown): void {
    if (this.#ended || !this.#life.alive()) return;
    this.#profileRetryMs = this.#deps.clock.now() + RETRY_MS.refused.first;
    this.#profile = undefined;
    this.#deps.log('warn', `what grows in the agent could not be told: ${messageOf(error)}`);
  }

  async #startProfile(): Promise<void> {
    const reach = await this.#open();
    if (!reach.profile)
      throw new SpillwayError('unavailable', `what grows cannot be told of ${reach.runtime} agents`);
    if (this.#profile) return;
    await reach.startProfile?.();
    const { level, reading } = this.#now();
    this.#profile = { sinceMs: this.#deps.clock.now(), heldBytes: heldBytes(reading), readMs: null, level };
  }

  async #readProfile(): Promise<GrowthReport & { file: string | null }> {
    const { clock, stalled, keep } = this.#deps;
    const reach = await this.#open();
    if (!reach.profile)
      throw new SpillwayError('unavailable', `what grows cannot be told of ${reach.runtime} agents`);
    const facts = await reach.facts();
    this.#check();
    this.#occupied = true;
    const profile = await reach.profile().finally(() => {
      this.#occupied = false;
    });
    stalled(profile.stallMs);
    this.#check();
    const situation = this.#now();
    this.#plan.stalled(profile.stallMs, clock.now());
    if (this.#profile) Object.assign(this.#profile, { readMs: clock.now(), level: situation.level });
    const at = new Date(clock.wallMs()).toISOString();
    const memory = this.#memory(situation, facts);
    const { sites, sampledMs } = profile;
    const { pid } = this.#life.worker;
    let grown = growthKinds(pid, memory, this.#baseline ?? null, sites);
    // all of it came before the first look: then what is there is what has grown
    if (grown.kinds.length === 0) grown = growthKinds(pid, memory, null, sites);
    const growth = { at, ...grown, sites, sampledMs };
    this.growth = growth;
    if (!this.#named && atLeast(situation.level, 'warning') && growth.kinds.length > 0) {
      this.#named = true;
      this.#deps.tell({ reason: 'MemoryGrowthNamed', type: 'Warning', note: growth.note });
    }
    const file = profile.file && (await this.#within(KEEP_MS, keep(profile.file)));
    return { ...growth, file: file ?? null };
  }

  /** Takes in what the runtime said of its heap. */
  #see(facts: HeapFacts | null): void {
    if (!facts) return;
    // the first look there was; what is native can only be told against the same moment
    if (this.#baseline && !this.#baseline.heap)
      this.#baseline = { ...this.#memory(this.#now(), facts), processes: this.#baseline.processes };
    if (facts.limitBytes === null) return;
    this.#heapLimitBytes = facts.limitBytes;
    const use: HeapUse = {
      atMs: this.#deps.clock.now(),
      usedBytes: facts.limitedBytes,
      limitBytes: facts.limitBytes,
    };
    const { reading } = this.#now();
    this.#heapLook = { usedBytes: use.usedBytes, anonBytes: reading.anonBytes ?? heldBytes(reading) };
    const { shedRatio } = this.#deps.options;
    const collected = { atMs: this.#collectedMs, leftBytes: this.#leftHeapBytes };
    const { state, heap } = confirmHeap(this.#confirmation, use, collected, shedRatio);
    this.#confirmation = state;
    this.heap = heap;
  }

  /** A way in that did not open: recorded, and tried again the later the more often it failed. */
  #failed(error: unknown, trigger: string): void {
    const { clock, options } = this.#deps;
    if (this.#ended || !this.#life.alive()) return; // its end is told, and is no refusal
    const refusal =
      error instanceof ReachError ? error : new ReachError('refused', messageOf(error), { cause: error });
    this.#refusals++;
    const { first, longest } = RETRY_MS[refusal.passing ? 'passing' : refusal.outcome];
    this.#retryMs = clock.now() + Math.min(longest, first * 2 ** (this.#refusals - 1));
    this.#triedMs = clock.now();
    // an agent that is late is busy, perhaps with its own collections: what it said last stands
    const heardMs = this.heap?.atMs ?? Number.NEGATIVE_INFINITY;
    if (refusal.outcome === 'refused' || clock.now() - heardMs >= STALE_HEAP_MS) this.heap = null;
    if (options.gc === 'off') return;
    const passing = refusal.passing && this.#refusals < TOLD_AFTER;
    const known = passing || this.lastGc?.note === refusal.message;
    const at = new Date(clock.wallMs()).toISOString();
    this.#plan.failed(refusal.outcome, clock.now(), refusal.passing);
    this.#record({ at, ...gcFailure(refusal), way: null, trigger, ...NOTHING_FREED }, known);
  }

  #record(record: GcRecord, known = false): GcRecord {
    this.lastGc = record;
    this.#deps.collected(record);
    const nowMs = this.#deps.clock.now();
    const toldMs = this.#toldMs.get(record.verdict) ?? Number.NEGATIVE_INFINITY;
    if (known || nowMs - toldMs < TELL_AGAIN_MS) return record;
    this.#toldMs.set(record.verdict, nowMs);
    this.#deps.tell({
      reason: 'GarbageCollected',
      type: 'Normal',
      note: record.mend ? `${record.note}; ${record.mend}.` : `${record.note}.`,
    });
    return record;
  }

  #watchHeapLimit({ limitBytes, limitSource }: Reading): void {
    const { heapLimitSet, heapLimitBytes } = this.#life;
    // of a number that was set the advice is about that number; V8 makes somewhat more of it
    const bytes = heapLimitSet ? heapLimitBytes : (this.#heapLimitBytes ?? heapLimitBytes);
    if (bytes === null || limitSource === 'machine') return;
    if (bytes === this.#advised.bytes && limitBytes === this.#advised.limitBytes) return;
    this.#advised = { bytes, limitBytes };
    const advice = heapAdvice({
      heapLimitBytes: bytes,
      containerLimitBytes: limitBytes,
      explicit: heapLimitSet,
    });
    this.advice = advice ? [advice.message] : [];
    if (!advice || this.#heapLimitTold) return;
    this.#heapLimitTold = true;
    this.#deps.tell({ reason: 'HeapLimitTooHigh', type: 'Warning', note: advice.message });
  }

  /** How often the heap is to be asked for because its own limit may be near, in milliseconds; `null`: not at all. */
  #heapWatch(reading: Reading): number | null {
    const heapLimitBytes = this.#heapLimitBytes ?? this.#life.heapLimitBytes;
    if (heapLimitBytes === null) return null;
    return askHeapEveryMs(reading.anonBytes ?? heldBytes(reading), heapLimitBytes, this.#heapLook);
  }

  /** Requests in work as last seen while shedding; `null` is not known. */
  inFlight: number | null = null;

  /** Requests in work now; `null` where it cannot be told. Never rejects; who asks meanwhile gets the same answer. */
  countInFlight(): Promise<number | null> {
    this.#counting ??= this.#count().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #count(): Promise<number | null> {
    const { pid } = this.#life.info;
    const others = this.#situation?.processes.map((each) => each.pid).filter((each) => each !== pid) ?? [];
    const reach = this.#reach;
    const leaveOut = reach?.inspectorPort ? [reach.inspectorPort] : [];
    let count = await this.#deps.connections([pid, ...others], leaveOut).catch(() => null);
    // a connection may be kept open with no request on it: that only the runtime knows
    const asks = !this.#ended && !this.#collecting && !this.#occupied;
    if (count !== 0 && reach?.inFlight && asks) count = (await reach.inFlight().catch(() => null)) ?? count;
    this.inFlight = count;
    return count;
  }

  #watchWork({ nowMs, level, outlook }: Situation): void {
    const near = outlook.secondsToLimit !== null && outlook.secondsToLimit <= NEAR_SECONDS;
    if (!atLeast(level, near ? 'warning' : 'shedding')) {
      this.inFlight = null;
      return;
    }
    if (nowMs - this.#workSeenMs < IN_FLIGHT_EVERY_MS) return;
    this.#workSeenMs = nowMs;
    void this.countInFlight();
  }

  #memory({ reading, processes }: Situation, heap: HeapFacts | null = null): MemoryFacts {
    const { anonBytes, shmemBytes } = reading;
    const { pid } = this.#life.worker;
    const own = processes.find((each) => each.pid === pid);
    return { heap, rssBytes: own?.rssBytes ?? null, anonBytes, shmemBytes, processes };
  }

  /** Held now. A glance, as a whole reading would be taken for one that the loop has judged. */
  #held(): number {
    const { reading } = this.#now();
    const usedBytes = this.#life.glance() ?? reading.usedBytes;
    return heldBytes({ usedBytes, reclaimableBytes: reading.reclaimableBytes });
  }

  #now(): Situation {
    if (!this.#situation) throw new SpillwayError('unavailable', 'there is no reading of the agent yet');
    return this.#situation;
  }

  /** The hand in the runtime, made anew when another process has become the one that matters. */
  async #open(): Promise<Reach> {
    this.#check();
    const { worker } = this.#life;
    if (this.#reach && this.#reached?.pid === worker.pid) return this.#reach;
    const before = this.#reach;
    this.#reach = undefined;
    this.#profile = undefined;
    // first: the next process would find the port of the one before in use
    if (before) await this.#within(END_MS.release, before.release());
    const reach = await this.#deps.reach(worker);
    this.#check();
    if (typeof reach === 'string') throw new ReachError('refused', reach);
    this.#reached = worker;
    this.#reach = reach;
    return reach;
  }

  async #letGo(): Promise<void> {
    this.#profile = undefined;
    this.heap = null;
    // the end of the guardian may come while it is being let go: then that is waited for
    this.#left = this.#reach ?? this.#left;
    this.#reach = undefined;
    await this.#within(END_MS.release, this.#left?.release());
  }

  /** @throws SpillwayError when this life is over: what was waited for has come too late */
  #check(): void {
    if (this.#ended || !this.#life.alive())
      throw new SpillwayError('unavailable', 'the agent has ended, or the guardian ends');
  }

  /** Something asked for from outside: after what runs now, and before what the loop would do next. */
  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    while (this.#busy) await this.#busy.catch(() => {}); // it has told its end itself
    this.#neededMs = this.#deps.clock.now();
    const run = work();
    this.#busy = run.catch(() => {});
    try {
      return await run;
    } catch (error) {
      if (!(error instanceof ReachError)) throw error;
      throw new SpillwayError('unavailable', error.message, {
        cause: error,
        ...(error.mend === undefined ? {} : { mend: error.mend }),
      });
    } finally {
      this.#busy = undefined;
    }
  }

  #run(work: () => Promise<void>): void {
    this.#busy = work()
      .catch((error: unknown) => this.#deps.log('warn', `unexpected: ${messageOf(error)}`))
      .finally(() => {
        this.#busy = undefined;
      });
  }

  /** What comes of it; `undefined` when it fails or takes longer. */
  #within<T>(ms: number, work: Promise<T> | undefined): Promise<T | undefined> {
    return new Promise((resolve) => {
      const timer = this.#deps.clock.setTimer(() => resolve(undefined), ms);
      const done = (result?: T) => {
        timer.cancel();
        resolve(result);
      };
      Promise.resolve(work).then(done, () => done());
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.setTimer(resolve, ms));
  }
}

const NOTHING_FREED = {
  freedBytes: 0,
  freedCgroupBytes: 0,
  freedRssBytes: null,
  freedHeapBytes: null,
  stallMs: 0,
};
