import { type Backoff, waitAfter } from '../lib/backoff.ts';
import type { GcWay, HeapFacts } from '../model/heap.ts';
import { isForeseen } from '../pressure/access.ts';
import { atLeast } from '../pressure/level.ts';
import type { GcDeferral, GcInput, GcRun } from './decision.ts';
import { nearerLimit } from './near-heap-limit.ts';
import { WORTHWHILE_SHARE } from './verdict.ts';

/** Between two collections: 1 s after a good one; 2, 4, 8 s … 5 min after those that freed nothing. */
const WAIT_MS: Backoff = { first: 1000, longest: 300_000 };
/** At the soonest, when so much of the limit may be garbage again: agents were seen to allocate 1 GB/s. */
const SOONEST_MS = 200;
const MUCH_SHARE = 0.2;
/**
 * While shedding and the limit is nearer than the wait, in time or in memory that still fills, what can be freed is
 * freed: agents were killed half a second after a collection, with 20 MiB allocated since. At the soonest after so many times its
 * stop, and never before the agent has run for as long as it was paused.
 */
const IMMINENT_SECONDS = 1;
const IMMINENT_RATIO = 0.95;
const IMMINENT_STOPS = 4;
/** With less new garbage than this share of the limit there is nothing to collect as far as is known … */
const WORTH_SHARE = 0.02;
/** … but what was live may be garbage by now without any growth: while shedding, looked for this long after the last time. */
const LOOK_AGAIN_MS = 10_000;
/** So much new garbage (of the limit) is worth a collection whatever the last one brought. */
const RISE_SHARE = 0.1;

/** What was left by the last collection; bytes. */
interface Left {
  endedMs: number;
  stallMs: number;
  heap: HeapFacts | null;
  /** Least held since: what was added to that is new, also where the heap is no larger than before. */
  lowestBytes: number;
  /** With work in flight, which has what it works on in use. */
  underLoad: boolean;
}

/** What collections have brought so far. */
export interface Worth {
  /** `undefined` before the first: nothing is known, so it may help. */
  readonly left: Left | undefined;
  /** Collections in a row that were not worth their stall. */
  readonly inVain: number;
  /** Pages that the heap keeps unused also after a full collection. */
  readonly keptBytes: number;
  /** Pages came back by the full way, or it was not tried. */
  readonly fullPays: boolean;
}

export const UNTRIED: Worth = {
  left: undefined,
  inVain: 0,
  keptBytes: 0,
  fullPays: true,
};

/** What the heap shrank by; 0 where the runtime does not tell. */
export function heapFreedBytes({ before, after }: Pick<GcRun, 'before' | 'after'>): number {
  return before && after ? Math.max(0, before.usedBytes - after.usedBytes) : 0;
}

/** Whether it was worth its stall. */
export function wasGood(run: GcRun, near: 'container' | 'heap'): boolean {
  const { before, freedBytes, usedBytesBefore } = run;
  if (freedBytes >= WORTHWHILE_SHARE * usedBytesBefore) return true;
  return near === 'heap' && before !== null && heapFreedBytes(run) >= WORTHWHILE_SHARE * before.usedBytes;
}

/** At each reading. */
export function followUse(worth: Worth, heldBytes: number): Worth {
  const { left } = worth;
  if (!left || heldBytes >= left.lowestBytes) return worth;
  return { ...worth, left: { ...left, lowestBytes: heldBytes } };
}

export function afterRun(worth: Worth, run: GcRun, good: boolean, underLoad: boolean): Worth {
  const { way, after, stallMs, endedMs, freedBytes, usedBytesBefore, usedBytesAfter } = run;
  const left = {
    ...{ endedMs, stallMs, heap: after, underLoad },
    lowestBytes: usedBytesAfter,
  };
  const inVain = good ? 0 : worth.inVain + 1;
  if (way === 'fast') return { ...worth, left, inVain };
  const freedInside = heapFreedBytes(run);
  // a heap that shrank by much while next to nothing came back: the stall of the full way was for nothing
  const tells = freedInside >= WORTHWHILE_SHARE * usedBytesBefore;
  return {
    left,
    inVain,
    keptBytes: after ? after.committedBytes - after.usedBytes : 0,
    fullPays: tells ? freedBytes >= freedInside / 4 : worth.fullPays,
  };
}

/**
 * Why a collection would free nothing, and until when where that is known; `undefined` when it may free something.
 * Below shedding, one that freed nothing is not repeated before use has grown.
 * @param share of wall time that stops may take
 */
export function uselessness(
  worth: Worth,
  input: GcInput,
  { way, afterLoad, share }: { way: GcWay; afterLoad: boolean; share: number },
): GcDeferral | undefined {
  const { left, inVain } = worth;
  if (!left) return undefined;
  const { nowMs, level, ratio, heldBytes, limitBytes, secondsToLimit } = input;
  const urgent = atLeast(level, 'shedding') || isForeseen(secondsToLimit);
  const garbageBytes = mayBeGarbage(worth, input, way, urgent);
  const good = inVain === 0;
  const risen = garbageBytes > RISE_SHARE * limitBytes;
  const soon = garbageBytes > MUCH_SHARE * limitBytes || (good && risen);
  // a heap fills and empties also where usage is flat, however high
  const fills = ratio >= IMMINENT_RATIO && heldBytes - left.lowestBytes > WORTH_SHARE * limitBytes;
  const imminent =
    atLeast(level, 'shedding') &&
    (fills || (secondsToLimit !== null && secondsToLimit < IMMINENT_SECONDS)) &&
    garbageBytes > WORTH_SHARE * limitBytes;
  const { stallMs } = left;
  const soonMs = imminent ? Math.max(stallMs, Math.min(SOONEST_MS, IMMINENT_STOPS * stallMs)) : SOONEST_MS;
  const soonestMs = left.endedMs + (soon || imminent ? soonMs : WAIT_MS.first);
  if (nowMs < soonestMs) return { wait: { code: 'just_ended' }, untilMs: soonestMs };
  if (afterLoad || imminent) return undefined;
  if (risen && (good || urgent)) return undefined;
  if (!risen && !good && !urgent) return { wait: { code: 'freed_little', garbageBytes } };
  const lookMs = garbageBytes < WORTH_SHARE * limitBytes ? LOOK_AGAIN_MS : 0;
  // below shedding, stalls are spread evenly: long ones in a row would be felt
  const spreadMs = atLeast(level, 'shedding') ? 0 : left.stallMs / share;
  const untilMs = left.endedMs + Math.max(waitAfter(WAIT_MS, inVain + 1), lookMs, spreadMs);
  if (nowMs >= untilMs) return undefined;
  return { wait: { code: good ? 'little_garbage' : 'freed_little', garbageBytes }, untilMs };
}

/** At most so much has become garbage, or lies unused, since the last collection. */
function mayBeGarbage({ left, keptBytes }: Worth, input: GcInput, way: GcWay, urgent: boolean): number {
  if (!left) return input.heldBytes;
  const { heap, heldBytes, limitBytes } = input;
  // what fills pages that the heap has kept takes nothing from the container; a heap that emptied itself may have filled again
  const fromContainer = !urgent && nearerLimit(heap, heldBytes, limitBytes) === 'container';
  if (!heap || !left.heap || fromContainer) return Math.max(0, heldBytes - left.lowestBytes);
  const grown = Math.max(0, heap.usedBytes - left.heap.usedBytes);
  const outside = Math.max(0, (heap.externalBytes ?? 0) - (left.heap.externalBytes ?? 0));
  const unused = Math.max(0, heap.committedBytes - heap.usedBytes - keptBytes);
  return grown + outside + (way === 'full' ? unused : 0);
}
