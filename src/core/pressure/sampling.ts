import { type FastestGrowth, soonestMs } from '../model/fastest-growth.ts';
import type { Thresholds } from './level.ts';

/** How many looks are taken on the way to the next threshold at the present rate. */
const LOOKS_AHEAD = 4;
/** Near the line but flat: with 20 ms, 15 of 15 bursts of one core were answered before the kill (p50 12 ms, max 21 ms). */
const NEAR_MS = 20;
/** From a look to the answer that a probe gets. */
const ANSWER_MS = 8;
/** While memory moves: the statistics of a burst need four points of the last second, those of a heap near its limit of half a second. */
const MOVING_MS = { usual: 200, heap: 50 };
/** Where nobody tells of the agent's end, so often: `alive` is part of each look. */
const UNTOLD_MS = 250;

/** What the next look at memory depends on. */
export interface Growth {
  heldBytes: number;
  limitBytes: number;
  /** Of the rise in progress; 0 at rest. */
  risePerSecond: number;
  fastest: FastestGrowth;
  /** Use has moved lately, whichever way; and may be that of a heap which comes near its own limit. */
  moving: 'usual' | 'heap' | null;
  /** The agent's end is reported: nobody has to look for it. */
  exitTold: boolean;
}

/**
 * How long to wait for the next sample, in milliseconds.
 *
 * Two clocks count down to the next threshold: the fastest growth that may start this instant, and the rise that is
 * going on. Near the shed ratio the first asks for what is left to the kill, an answer's time before it, and for no less than
 * 20 ms where that is enough, so that an agent resting just below the line costs little; the second goes down to `bounds.minMs`.
 */
export function nextIntervalMs(
  growth: Growth,
  thresholds: Thresholds,
  bounds: { minMs: number; maxMs: number },
): number {
  const { heldBytes, limitBytes, risePerSecond, fastest, moving, exitTold } = growth;
  const ratio = heldBytes / limitBytes;
  const distance = Math.max(0, nextThreshold(ratio, thresholds) * limitBytes - heldBytes);
  const toLimitMs = soonestMs(Math.max(0, limitBytes - heldBytes), fastest);
  const nearMs = ratio < thresholds.shedRatio ? Math.min(NEAR_MS, toLimitMs - ANSWER_MS) : NEAR_MS;
  const burstMs = Math.max(nearMs, soonestMs(distance, fastest));
  const riseMs =
    risePerSecond > 0 ? ((distance / risePerSecond) * 1000) / LOOKS_AHEAD : Number.POSITIVE_INFINITY;
  const farMs = Math.min(
    bounds.maxMs,
    moving ? MOVING_MS[moving] : bounds.maxMs,
    exitTold ? bounds.maxMs : UNTOLD_MS,
  );
  return Math.min(farMs, Math.max(bounds.minMs, Math.min(burstMs, riseMs)));
}

/** How fast a rise that pauses is forgotten: by half in this time. */
const RISE_HALF_LIFE_MS = 100;

/**
 * The rise that the next interval is chosen by, in bytes per second: the present one, or what is left of an earlier one.
 * Memory grows in steps; that none fell between the last two samples does not mean that it has stopped.
 */
export function risePerSecond(before: number, grownBytes: number, elapsedMs: number): number {
  if (!(elapsedMs > 0) || !Number.isFinite(elapsedMs)) return before;
  return Math.max((grownBytes / elapsedMs) * 1000, before * 2 ** (-elapsedMs / RISE_HALF_LIFE_MS));
}

/** So often there is a whole reading at the latest: in calm the history keeps one a second, and pressure may end. A glance shows whether it still is calm. */
const WHOLE_MS = { calm: 1000, pressed: 400 };
/** Use that moves by more than this share of the limit is looked at at once; by less than 256 KiB never, by more than 4 MiB always. */
const CALM_SHARE = 0.002;
const CALM_BYTES = { least: 2 ** 18, most: 2 ** 22 };

/** The latest time from one whole reading to the next, in milliseconds. */
export function wholeEveryMs(pressed: boolean): number {
  return pressed ? WHOLE_MS.pressed : WHOLE_MS.calm;
}

/** Whether use has moved by more than an agent at rest does. */
export function moves(bytes: number, limitBytes: number): boolean {
  return Math.abs(bytes) > Math.min(CALM_BYTES.most, Math.max(CALM_BYTES.least, CALM_SHARE * limitBytes));
}

/**
 * Whether the whole reading can wait because a glance shows that nothing has moved since the last one. Not when use, dropped
 * or not, is above the warning ratio: there, what is held may grow in place of cache while the sum stays the same.
 * @param leftMs until the next one is due
 */
export function canWait(
  usedBytes: number,
  last: { usedBytes: number; limitBytes: number },
  leftMs: number,
  thresholds: Thresholds,
): boolean {
  if (leftMs <= 0 || usedBytes >= thresholds.warnRatio * last.limitBytes) return false;
  return !moves(usedBytes - last.usedBytes, last.limitBytes);
}

/** Warning is no cause for haste: what must not be missed are shedding, critical and the end. */
function nextThreshold(ratio: number, t: Thresholds): number {
  if (ratio < t.shedRatio) return t.shedRatio;
  return ratio < t.criticalRatio ? t.criticalRatio : 1;
}
