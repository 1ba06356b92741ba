import { AT_ONCE, retryLater } from '../lib/backoff.ts';
import type { Runtime } from '../model/status.ts';
import { isForeseen } from '../pressure/access.ts';
import { expectedStallMs, unaffordable, waysOf } from './affordable.ts';
import type { GcDecision, GcInput, GcRun } from './decision.ts';
import { nearerLimit } from './near-heap-limit.ts';
import { StallBudget } from './stall-budget.ts';
import { StallEstimate } from './stall-estimate.ts';
import { collectedAfter, followLoad, isShort, NO_LOAD, triggerOf } from './trigger.ts';
import { afterRun, followUse, heapFreedBytes, UNTRIED, uselessness, wasGood } from './worth.ts';

export interface GcPlanOptions {
  /** Share of wall time that the agent may be stopped for collections, 0…1. */
  stallBudgetShare: number;
  warnRatio: number;
  /** When the agent was found: from then on the budget grows. Default: the first question. Monotonic milliseconds. */
  sinceMs?: number;
}

/** At warning a kill has to be foreseen for so long before it is a reason for a long stop: a forecast may be of a single step. */
const STANDS_MS = 1000;
/** After an attempt that failed, and after further ones. */
const RETRY_MS = {
  retryable: { first: 100, longest: 10_000 },
  timeout: { first: 2000, longest: 60_000 },
  refused: { first: 30_000, longest: 600_000 },
};
/** Where a part of the load has ended and left no garbage, that is no reason for so long: 10, 20, 40 s … 5 min. */
const PART_AGAIN_MS = { first: 10_000, longest: 300_000 };

/**
 * When to collect garbage in one life of the agent, and how. Where memory is short, and once when the load is gone; only
 * where there may be something to collect; where that freed nothing, not before usage has grown, or ever more rarely while
 * shedding; never longer than is bearable then, and never beyond the budget of stall.
 */
export class GcPlan {
  readonly #options: GcPlanOptions;
  #estimate: StallEstimate;
  #runtime: Runtime = 'node';
  #budget: StallBudget | undefined;
  #load = NO_LOAD;
  #worth = UNTRIED;
  #foreseenSinceMs: number | null = null;
  #retry = AT_ONCE;
  #partAgain = AT_ONCE;
  /** What was decided last: what `ran` and `failed` are about. */
  #asked:
    | {
        near: 'container' | 'heap';
        expectedStallMs: number;
        afterLoad: boolean;
        ofPart: boolean;
        underLoad: boolean;
      }
    | undefined;

  constructor(options: GcPlanOptions) {
    this.#options = options;
    this.#estimate = new StallEstimate(this.#runtime);
    if (options.sinceMs !== undefined) this.#budgetFrom(options.sinceMs);
  }

  /** At each reading: what is held now, in bytes. */
  follow(heldBytes: number): void {
    this.#worth = followUse(this.#worth, heldBytes);
  }

  /** What to do now. Asking changes nothing but the memory of how it stood. */
  decide(given: GcInput): GcDecision {
    const input = this.#sober(given);
    const { nowMs, heldBytes, limitBytes, heap, runtime, loadGone, forced = false } = input;
    const { stallBudgetShare: share, warnRatio } = this.#options;
    const budget = this.#budgetFrom(nowMs);
    const estimate = this.#estimateOf(runtime);
    this.follow(heldBytes);
    if (share <= 0) return { wait: { code: 'no_stall_budget' } };
    this.#load = followLoad(this.#load, given, isShort(given, warnRatio));
    const outdated =
      nowMs < this.#partAgain.fromMs && given.outdated === 'waiting' ? null : (given.outdated ?? null);
    const underLoad = this.#worth.left?.underLoad === true;
    const trigger = triggerOf({ ...given, outdated }, this.#load, warnRatio, underLoad);
    if (!trigger) return { wait: { code: 'no_pressure' } };
    if (!forced && nowMs < this.#retry.fromMs)
      return { wait: { code: 'backoff' }, untilMs: this.#retry.fromMs };

    const { reason, afterLoad, ofPart = false } = trigger;
    const stopsNobody = outdated === 'drained' && loadGone;
    const ways = waysOf(input, estimate, afterLoad, this.#worth.fullPays);
    let firstWait: GcDecision | undefined;
    for (const way of ways) {
      const stallMs = expectedStallMs(way, input, estimate, way === ways.at(-1));
      const wait = forced
        ? undefined
        : (uselessness(this.#worth, input, { way, afterLoad, share }) ??
          (stopsNobody ? undefined : unaffordable(stallMs, input, budget)));
      if (!wait) {
        const near = nearerLimit(heap, heldBytes, limitBytes);
        this.#asked = { near, expectedStallMs: stallMs, afterLoad, ofPart, underLoad: !loadGone };
        return { collect: way, reason, expectedStallMs: stallMs };
      }
      firstWait ??= wait;
    }
    return firstWait ?? { wait: { code: 'impossible' } };
  }

  /** Another process is asked from here on: what was left by the last collection was of the one before. */
  another(): void {
    this.#worth = UNTRIED;
    this.#estimate.another();
    this.#asked = undefined;
    this.#retry = AT_ONCE;
    this.#partAgain = AT_ONCE;
  }

  /** What was decided is done. */
  ran(run: GcRun): void {
    const { way, before, after, stallMs, endedMs, freedBytes, usedBytesAfter } = run;
    const { near = 'container', afterLoad = false, ofPart = false, underLoad = false } = this.#asked ?? {};
    const garbageBytes = before && after ? heapFreedBytes(run) : freedBytes;
    this.#estimate.learn(way, after?.usedBytes ?? usedBytesAfter, garbageBytes, stallMs);
    this.stalled(stallMs, endedMs);
    const good = wasGood(run, near);
    const { inVain } = this.#worth;
    this.#worth = afterRun(this.#worth, run, good, underLoad);
    if (ofPart) {
      // that the rest of the load goes on says nothing of other reasons
      if (!good) this.#worth = { ...this.#worth, inVain };
      this.#partAgain = good ? AT_ONCE : retryLater(this.#partAgain, PART_AGAIN_MS, endedMs);
    } else if (afterLoad) this.#load = collectedAfter(this.#load, endedMs, good);
    this.#asked = undefined;
    this.#retry = AT_ONCE;
  }

  /**
   * What was decided could not be done. Where the runtime was not even reached nothing was decided: who reaches it paces that.
   * @param retryable asking again soon may do
   */
  failed(outcome: 'refused' | 'timeout', nowMs: number, retryable = false): void {
    if (!this.#asked) return;
    // a collection that was not answered in time may be made all the same, so it is paid for
    if (outcome === 'timeout') this.stalled(this.#asked.expectedStallMs, nowMs);
    this.#asked = undefined;
    this.#retry = retryLater(this.#retry, RETRY_MS[retryable ? 'retryable' : outcome], nowMs);
  }

  /** Whether a profile may be read now, which stops the agent too; a near kill is no reason to. */
  affordsLook(look: Pick<GcInput, 'nowMs' | 'level' | 'heap' | 'heldBytes' | 'runtime'>): boolean {
    const input = { ...look, secondsToLimit: null };
    const budget = this.#budgetFrom(input.nowMs);
    const stallMs = expectedStallMs('profile', input, this.#estimateOf(input.runtime), false);
    return unaffordable(stallMs, input, budget) === undefined;
  }

  /** A profile was read, of so large a heap. */
  looked(heapBytes: number, stallMs: number, endedMs: number): void {
    this.#estimate.looked(heapBytes, stallMs);
    this.stalled(stallMs, endedMs);
  }

  /** The agent was paused, whatever was done in it. */
  stalled(stallMs: number, endedMs: number): void {
    this.#budgetFrom(endedMs).spend(stallMs, endedMs);
  }

  /** How the agent stands without a forecast that is too young to act on. */
  #sober(input: GcInput): GcInput {
    const { nowMs, level, secondsToLimit } = input;
    if (!isForeseen(secondsToLimit)) this.#foreseenSinceMs = null;
    else this.#foreseenSinceMs ??= nowMs;
    const young = this.#foreseenSinceMs !== null && nowMs - this.#foreseenSinceMs < STANDS_MS;
    return young && level === 'warning' ? { ...input, secondsToLimit: null } : input;
  }

  #budgetFrom(nowMs: number): StallBudget {
    this.#budget ??= new StallBudget(this.#options.stallBudgetShare, nowMs);
    return this.#budget;
  }

  /** What one runtime takes tells nothing of another: below a shell the agent may turn out to be one. */
  #estimateOf(runtime: Runtime): StallEstimate {
    if (runtime !== this.#runtime) {
      this.#runtime = runtime;
      this.#estimate = new StallEstimate(runtime);
    }
    return this.#estimate;
  }
}
