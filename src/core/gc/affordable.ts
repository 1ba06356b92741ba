import type { GcWay } from '../model/heap.ts';
import { RUNTIMES } from '../model/runtimes.ts';
import { isForeseen } from '../pressure/access.ts';
import { atLeast } from '../pressure/level.ts';
import type { GcDeferral, GcInput } from './decision.ts';
import { nearerLimit } from './near-heap-limit.ts';
import type { StallBudget } from './stall-budget.ts';
import type { StallEstimate, Stop } from './stall-estimate.ts';

/**
 * The longest that one stop may be expected to take, in milliseconds. Up to warning nobody is refused, and nobody is to
 * notice. While shedding, a stop stays within the second after which a probe of the kubelet has failed by its
 * default. With the kill foreseen at warning the budget alone decides.
 */
const MOST_MS = { warning: 250, shedding: 1000 };
/** A collection that takes more than this share of the time to the limit is too slow for it. */
const TIMELY_SHARE = 0.25;

type Standing = Pick<GcInput, 'level' | 'secondsToLimit' | 'heap' | 'heldBytes' | 'nowMs'>;

/** The ways that may do, the best first. */
export function waysOf(
  input: GcInput,
  estimate: StallEstimate,
  afterLoad: boolean,
  fullPays: boolean,
): GcWay[] {
  const { level, heap, heldBytes, limitBytes, secondsToLimit, runtime, forced } = input;
  if (!RUNTIMES[runtime].fastGc) return ['full'];
  if (!forced && !atLeast(level, 'shedding')) return ['fast'];
  const fullMs = estimate.worst('full', heap?.usedBytes ?? heldBytes);
  const late = secondsToLimit !== null && fullMs > TIMELY_SHARE * secondsToLimit * 1000;
  // to return pages is what the full way is for, and here there is time: tried again where it did not pay before
  if ((afterLoad || forced) && !late) return ['full', 'fast'];
  const near = nearerLimit(heap, heldBytes, limitBytes);
  return late || near === 'heap' || !fullPays ? ['fast'] : ['full', 'fast'];
}

/** How long a stop may take now, in milliseconds. */
export function mostStallMs({ level, secondsToLimit }: Pick<Standing, 'level' | 'secondsToLimit'>): number {
  if (atLeast(level, 'warning') && isForeseen(secondsToLimit)) return Number.POSITIVE_INFINITY;
  return atLeast(level, 'shedding') ? MOST_MS.shedding : MOST_MS.warning;
}

/**
 * How long a stop is expected to take, in milliseconds: at warning the longest it may, and from then on as long as is likely.
 * @param firstTry nothing else would tell what it takes: where it may be long, it is made once whatever it may take
 */
export function expectedStallMs(
  stop: Stop,
  input: Standing,
  estimate: StallEstimate,
  firstTry: boolean,
): number {
  const heapBytes = input.heap?.usedBytes ?? input.heldBytes;
  if (mostStallMs(input) <= MOST_MS.warning) return estimate.worst(stop, heapBytes);
  const likelyMs = estimate.likely(stop, heapBytes);
  return firstTry && !estimate.known ? Math.min(MOST_MS.shedding, likelyMs) : likelyMs;
}

/** Why a stop of this length may not be made now, and until when where that is known; `undefined` when it may. */
export function unaffordable(stallMs: number, input: Standing, budget: StallBudget): GcDeferral | undefined {
  const { level, nowMs } = input;
  const mostMs = mostStallMs(input);
  if (stallMs > mostMs) return { wait: { code: 'stall_too_long', stallMs, mostMs, level } };
  if (budget.credit(nowMs) >= stallMs) return undefined;
  const untilMs = budget.enoughAtMs(stallMs, nowMs);
  return untilMs === null
    ? { wait: { code: 'above_budget', stallMs } }
    : { wait: { code: 'budget_spent', stallMs }, untilMs };
}
