import type { HeapUse } from '../model/reading.ts';

/** Until a collection has said how much of the heap is garbage, it counts as no more than just below the shed ratio … */
const UNCONFIRMED_MARGIN = 0.01;
/** … for at most this long: where no collection can be had, what is in use is what counts. */
const CONFIRM_WITHIN_MS = 1000;
/** A collection this long ago still tells what of the heap is live, where it left most of what is in use now. */
const CONFIRMED_FOR_MS = 10_000;
const MOSTLY_LIVE_SHARE = 0.8;

/**
 * Whether what is live has come to the warning ratio at least, without a collection that has told so: V8 collects on its own, at the latest
 * when its heap is half way from what is live to its limit.
 */
export function isMostlyLive(
  { usedBytes, limitBytes }: Pick<HeapUse, 'usedBytes' | 'limitBytes'>,
  warnRatio: number,
): boolean {
  return 2 * usedBytes - limitBytes >= warnRatio * limitBytes;
}

/** What is remembered between two looks at the heap. */
export interface HeapConfirmation {
  /** When use crossed the shed ratio without a collection since; `null` while it is below. */
  readonly crossedMs: number | null;
}

export const UNCROSSED: HeapConfirmation = { crossedMs: null };

/** The last full collection there was, V8's own or one that was asked for: when it ended, and how much of the heap it left in use; `null` where that is not known. */
export interface LastCollection {
  atMs: number;
  leftBytes: number | null;
}

/**
 * How much of the heap counts against its limit. A runtime never dies of garbage: it collects before it gives up. So
 * heap in use above the shed ratio turns nobody away before a collection has shown that it is live, within a second.
 * @returns `confirmed` is false as long as it counts for less than is in use
 */
export function confirmHeap(
  state: HeapConfirmation,
  heap: HeapUse,
  last: LastCollection,
  shedRatio: number,
): { state: HeapConfirmation; heap: HeapUse; confirmed: boolean } {
  const most = (shedRatio - UNCONFIRMED_MARGIN) * heap.limitBytes;
  if (heap.usedBytes < shedRatio * heap.limitBytes) return { state: UNCROSSED, heap, confirmed: true };
  const crossedMs = state.crossedMs ?? heap.atMs;
  const mostlyLive =
    heap.atMs - last.atMs <= CONFIRMED_FOR_MS && (last.leftBytes ?? 0) >= MOSTLY_LIVE_SHARE * heap.usedBytes;
  const confirmed = last.atMs >= crossedMs || mostlyLive || heap.atMs - crossedMs >= CONFIRM_WITHIN_MS;
  return {
    state: { crossedMs },
    confirmed,
    heap: confirmed ? heap : { ...heap, usedBytes: Math.min(heap.usedBytes, most) },
  };
}
