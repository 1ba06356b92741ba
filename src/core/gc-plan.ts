import { WORTHWHILE_SHARE } from './gc-verdict.ts';
import { atLeast } from './level.ts';
import { nearerLimit } from './near-heap-limit.ts';
import type { Collection, GcWay, HeapFacts } from './reach.ts';
import { StallBudget } from './stall-budget.ts';
import { StallEstimate } from './stall-estimate.ts';
import type { Level } from './status.ts';
import { formatBytes, formatSeconds } from './units.ts';

export interface GcPlanOptions {
  /** Share of wall time that the agent may be stopped for collections, 0…1. */
  stallBudgetShare: number;
  warnRatio: number;
  /** When the agent was found: from then on the budget grows. Default: the first question. Monotonic milliseconds. */
  sinceMs?: number;
}

/** How the agent stands. */
export interface GcInput {
  /** Monotonic milliseconds. */
  nowMs: number;
  level: Level;
  /** Of the nearer limit, container or heap. */
  ratio: number;
  /** Bytes that cannot be dropped. */
  heldBytes: number;
  /** Of the container. */
  limitBytes: number;
  secondsToLimit: number | null;
  /** As it is now; `null` is not asked, or not told. */
  heap: HeapFacts | null;
  /** Only Node has two ways; what is known of the cost of each is about it. */
  heapSpace: 'node' | 'other';
  /** The load that filled the memory is over: the level fell back, or use is flat. */
  loadGone: boolean;
  /** Somebody asks for it: only the budget may say no. */
  forced?: boolean;
}

/** Collect, how and why; or why not, and until when at least where that is known. Milliseconds. */
export type GcDecision =
  | { collect: GcWay; reason: string; expectedStallMs: number }
  | { wait: string; untilMs?: number };

/** A collection that was made. */
export interface GcRun extends Pick<Collection, 'way' | 'before' | 'after' | 'stallMs'> {
  /** Monotonic milliseconds. */
  endedMs: number;
  /** Given back to the system: the best of cgroup and resident memory. */
  freedBytes: number;
  /** Held, just before and once pages had time to come back. */
  usedBytesBefore: number;
  usedBytesAfter: number;
}

/** A limit nearer than this is worth a collection below the warning level too: the growth may be garbage. */
const FORESEEN_SECONDS = 5;
/** Between two collections: 1 s after a good one; 2, 4, 8 s … 5 min after such as brought nothing. */
const WAIT_MS = { first: 1000, longest: 300_000 };
/** At the soonest, when so much of the limit may be garbage again: agents were seen to allocate 1 GB/s. */
const SOONEST_MS = 200;
const MUCH_SHARE = 0.2;
/** Below this share of the warning ratio a near limit is no reason yet: collecting early brings little each time. */
const FORESEEN_FROM = 0.75;
/** With less new garbage than this share of the limit there is nothing to collect as far as is known … */
const WORTH_SHARE = 0.02;
/** … but what was live may be garbage by now without any growth: looked for this long after the last time. */
const LOOK_AGAIN_MS = 10_000;
/** So much new garbage (of the limit) ends the wait for the next collection. */
const RISE_SHARE = 0.1;
/** A pause between two requests is not the end of the load. */
const LOAD_GONE_MS = 1000;
/** A collection that takes more than this share of the time to the limit is too slow for it. */
const TIMELY_SHARE = 0.25;
/** After an attempt that failed, and again after each further one the double. */
const RETRY_MS = {
  passing: { first: 100, longest: 10_000 },
  timeout: { first: 2000, longest: 60_000 },
  refused: { first: 30_000, longest: 600_000 },
};

/** What was left by the last collection; bytes. */
interface Left {
  endedMs: number;
  stallMs: number;
  heap: HeapFacts | null;
  heldBytes: number;
  /** With work in flight, which has what it works on in use. */
  underLoad: boolean;
}

/**
 * When to collect garbage in one life of the agent, and how. Where memory is short, or will be within seconds, and once
 * when the load is gone; only where there may be something to collect; ever more rarely where that brought nothing; never
 * beyond the budget of stall.
 */
export class GcPlan {
  readonly #options: GcPlanOptions;
  readonly #estimate = new StallEstimate();
  #budget: StallBudget | undefined;
  #left: Left | undefined;
  #waitMs = WAIT_MS.first;
  /** Pages that the heap keeps unused also after a thorough collection. */
  #keptBytes = 0;
  /** Pages came back by the thorough way, or it was not tried. */
  #thoroughPays = true;
  /** Memory was short, and nothing was collected since the load is gone. */
  #pressed = false;
  #loadGoneSinceMs: number | null = null;
  /** Load that comes and goes and leaves no garbage is no reason either: its own back-off. */
  #afterLoad = { fromMs: Number.NEGATIVE_INFINITY, waitMs: LOOK_AGAIN_MS };
  #failures = 0;
  #retryMs = Number.NEGATIVE_INFINITY;
  /** What was decided last: what `ran` and `failed` are about. */
  #asked:
    | { near: 'container' | 'heap'; expectedStallMs: number; afterLoad: boolean; underLoad: boolean }
    | undefined;

  constructor(options: GcPlanOptions) {
    this.#options = options;
    if (options.sinceMs !== undefined) this.#budgetFrom(options.sinceMs);
  }

  /** Whether the limit is so near that growth should be looked at, whatever the level. */
  foresees(secondsToLimit: number | null): boolean {
    return secondsToLimit !== null && secondsToLimit <= FORESEEN_SECONDS;
  }

  /** Whether memory was short and what the load left is still to be collected once that is gone: ask then too. */
  get owes(): boolean {
    return this.#pressed;
  }

  /** What to do now. Asking changes nothing but the memory of how it stood. */
  decide(input: GcInput): GcDecision {
    const { nowMs, heldBytes, limitBytes, heap, forced = false } = input;
    const budget = this.#budgetFrom(nowMs);
    if (this.#options.stallBudgetShare <= 0) return { wait: 'the stall budget is 0 %' };
    const short = this.#isShort(input);
    if (short && !input.loadGone) this.#pressed = true;
    const afterLoad = this.#isAfterLoad(input);
    const reason = this.#reason(input, short, afterLoad);
    if (!reason) return { wait: 'memory is not short' };
    if (!forced && nowMs < this.#retryMs) return { wait: 'the last attempt failed', untilMs: this.#retryMs };

    const near = nearerLimit(heap, heldBytes, limitBytes);
    let firstWait: GcDecision | undefined;
    for (const way of this.#ways(input, near, afterLoad)) {
      const wait =
        (forced ? undefined : this.#uselessness(input, way, afterLoad)) ?? this.#poverty(budget, input, way);
      if (!wait) {
        const expectedStallMs = this.#estimate.of(way, heap?.usedBytes ?? heldBytes);
        this.#asked = { near, expectedStallMs, afterLoad, underLoad: !input.loadGone };
        return { collect: way, reason, expectedStallMs };
      }
      firstWait ??= wait;
    }
    return firstWait ?? { wait: 'there is no way to collect' };
  }

  /** What was decided is done. */
  ran(run: GcRun): void {
    const { way, before, after, stallMs, endedMs, freedBytes, usedBytesBefore, usedBytesAfter } = run;
    const heapFreed = before && after ? Math.max(0, before.usedBytes - after.usedBytes) : 0;
    const live = after?.usedBytes ?? usedBytesAfter;
    this.#estimate.learn(way, live, before && after ? heapFreed : freedBytes, stallMs);
    this.#budgetFrom(endedMs).spend(stallMs, endedMs);
    const good =
      freedBytes >= WORTHWHILE_SHARE * usedBytesBefore ||
      (this.#asked?.near === 'heap' && before !== null && heapFreed >= WORTHWHILE_SHARE * before.usedBytes);
    this.#waitMs = good ? WAIT_MS.first : Math.min(WAIT_MS.longest, this.#waitMs * 2);
    if (way === 'thorough') {
      this.#keptBytes = after ? after.committedBytes - after.usedBytes : 0;
      // a heap that shrank by much while next to nothing came back: the stall of the thorough way was for nothing
      if (heapFreed >= WORTHWHILE_SHARE * usedBytesBefore) this.#thoroughPays = freedBytes >= heapFreed / 4;
    }
    if (this.#asked?.afterLoad) {
      this.#pressed = false;
      const waitMs = good ? LOOK_AGAIN_MS : this.#afterLoad.waitMs;
      this.#afterLoad = {
        fromMs: endedMs + waitMs,
        waitMs: Math.min(WAIT_MS.longest, good ? waitMs : 2 * waitMs),
      };
    }
    const underLoad = this.#asked?.underLoad ?? false;
    this.#left = { endedMs, stallMs, heap: after, heldBytes: usedBytesAfter, underLoad };
    this.#asked = undefined;
    this.#failures = 0;
    this.#retryMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * What was decided could not be done.
   * @param passing asking again soon may do
   */
  failed(outcome: 'refused' | 'timeout', nowMs: number, passing = false): void {
    // a collection that was not answered in time may be made all the same, so it is paid for
    if (outcome === 'timeout') this.#budgetFrom(nowMs).spend(this.#asked?.expectedStallMs ?? 0, nowMs);
    this.#asked = undefined;
    const { first, longest } = RETRY_MS[passing ? 'passing' : outcome];
    this.#retryMs = nowMs + Math.min(longest, first * 2 ** this.#failures);
    this.#failures++;
  }

  /** Whether the budget allows a look at the heap that stalls as a thorough collection does: a profile. */
  affordsLook(heap: HeapFacts | null, heldBytes: number, nowMs: number): boolean {
    const stallMs = this.#estimate.of('thorough', heap?.usedBytes ?? heldBytes);
    return this.#budgetFrom(nowMs).credit(nowMs) >= stallMs;
  }

  /** The agent stood still for something else than a collection. */
  stalled(stallMs: number, endedMs: number): void {
    this.#budgetFrom(endedMs).spend(stallMs, endedMs);
  }

  #budgetFrom(nowMs: number): StallBudget {
    this.#budget ??= new StallBudget(this.#options.stallBudgetShare, nowMs);
    return this.#budget;
  }

  #isAfterLoad({ loadGone, level, nowMs }: GcInput): boolean {
    if (!loadGone) this.#loadGoneSinceMs = null;
    else this.#loadGoneSinceMs ??= nowMs;
    const stands = this.#loadGoneSinceMs !== null && nowMs - this.#loadGoneSinceMs >= LOAD_GONE_MS;
    // while work is turned away: what the last collection found in use may have been that of the work that is gone
    const unlike = this.#left?.underLoad === true && atLeast(level, 'shedding');
    return stands && this.#pressed && (unlike || nowMs >= this.#afterLoad.fromMs);
  }

  #isShort({ level, ratio, secondsToLimit }: GcInput): boolean {
    const { warnRatio } = this.#options;
    if (ratio >= warnRatio || atLeast(level, 'shedding')) return true;
    return ratio >= FORESEEN_FROM * warnRatio && this.foresees(secondsToLimit);
  }

  /** Why it should be done, in words, as far as memory is concerned. */
  #reason(input: GcInput, short: boolean, afterLoad: boolean): string | undefined {
    const { ratio, secondsToLimit, forced } = input;
    if (forced) return 'on request';
    if (afterLoad) return 'the load is gone and may have left garbage';
    if (!short) return undefined;
    if (this.foresees(secondsToLimit) && ratio < this.#options.warnRatio)
      return `the limit is about ${formatSeconds(secondsToLimit ?? 0)} away`;
    return `use is at ${Math.floor(ratio * 100)} % of the limit`;
  }

  /** The ways that may do, the best first. */
  #ways(input: GcInput, near: 'container' | 'heap', afterLoad: boolean): GcWay[] {
    const { heap, heldBytes, secondsToLimit, heapSpace } = input;
    if (heapSpace === 'other') return ['thorough'];
    const thoroughMs = this.#estimate.of('thorough', heap?.usedBytes ?? heldBytes);
    const late = secondsToLimit !== null && thoroughMs > TIMELY_SHARE * secondsToLimit * 1000;
    // to return pages is what the thorough way is for, and here there is time: tried again where it did not pay before
    if ((afterLoad || input.forced) && !late) return ['thorough', 'quick'];
    return late || near === 'heap' || !this.#thoroughPays ? ['quick'] : ['thorough', 'quick'];
  }

  /** Why a collection would bring nothing; `undefined` when it may. */
  #uselessness(input: GcInput, way: GcWay, afterLoad: boolean): GcDecision | undefined {
    const left = this.#left;
    if (!left) return undefined; // before the first one nothing is known: worth a try
    const { nowMs, level, limitBytes } = input;
    const garbage = this.#mayBeGarbage(input, left, way);
    const good = this.#waitMs === WAIT_MS.first;
    const risen = garbage > RISE_SHARE * limitBytes;
    const soon = garbage > MUCH_SHARE * limitBytes || (good && risen);
    const soonestMs = left.endedMs + (soon ? SOONEST_MS : WAIT_MS.first);
    if (nowMs < soonestMs) return { wait: 'one was just made', untilMs: soonestMs };
    if (afterLoad) return undefined;
    if (risen) return undefined;
    const lookMs = garbage < WORTH_SHARE * limitBytes ? LOOK_AGAIN_MS : 0;
    // while nobody is turned away, stalls are spread evenly: long ones in a row would be felt
    const spreadMs = atLeast(level, 'shedding') ? 0 : left.stallMs / this.#options.stallBudgetShare;
    const untilMs = left.endedMs + Math.max(this.#waitMs, lookMs, spreadMs);
    if (nowMs >= untilMs) return undefined;
    const wait =
      this.#waitMs > WAIT_MS.first
        ? `the last one brought little; ${formatBytes(garbage)} may be garbage since`
        : `only ${formatBytes(garbage)} may be garbage since the last one`;
    return { wait, untilMs };
  }

  /** At most so much has become garbage, or lies unused, since the last collection. */
  #mayBeGarbage({ heap, heldBytes }: GcInput, left: Left, way: GcWay): number {
    if (!heap || !left.heap) return Math.max(0, heldBytes - left.heldBytes);
    const grown = Math.max(0, heap.usedBytes - left.heap.usedBytes);
    const outside = Math.max(0, (heap.externalBytes ?? 0) - (left.heap.externalBytes ?? 0));
    const unused = Math.max(0, heap.committedBytes - heap.usedBytes - this.#keptBytes);
    return grown + outside + (way === 'thorough' ? unused : 0);
  }

  /** Why the budget does not allow it; `undefined` when it does. */
  #poverty(budget: StallBudget, { nowMs, heap, heldBytes }: GcInput, way: GcWay): GcDecision | undefined {
    const stallMs = this.#estimate.of(way, heap?.usedBytes ?? heldBytes);
    if (budget.credit(nowMs) >= stallMs) return undefined;
    const untilMs = budget.enoughAtMs(stallMs, nowMs);
    const wait = `it may stop the agent for ${formatSeconds(stallMs / 1000)}, more than the stall budget`;
    return untilMs === null ? { wait: `${wait} ever allows` } : { wait: `${wait} allows now`, untilMs };
  }
}
