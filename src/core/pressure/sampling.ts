import type { Thresholds } from './level.ts';

/**
 * The fastest a process was seen to grow, in bytes per second: plain stores, flat out, on 2 shared cores.
 * Node buffers reach 2.4 GB/s, JavaScript objects 1.9, `JSON.parse` 1.8.
 */
const BURST_BYTES_PER_SECOND = 2.6e9;
/** How many looks are taken on the way to the next threshold at the present rate. */
const LOOKS_AHEAD = 4;
/** Near the line but flat: with 20 ms, 15 of 15 bursts were answered before the kill (p50 12 ms, max 21 ms). */
const NEAR_MS = 20;

/**
 * How long to wait for the next sample, in milliseconds.
 *
 * Two clocks count down to the next threshold: the worst burst that may start this instant, and the rise that is
 * going on. The first never asks for less than 20 ms, so that an agent resting just below the line costs little;
 * the second goes down to `bounds.minMs`.
 */
export function nextIntervalMs(
  { heldBytes, limitBytes, risePerSecond }: { heldBytes: number; limitBytes: number; risePerSecond: number },
  thresholds: Thresholds,
  bounds: { minMs: number; maxMs: number },
): number {
  const distance = Math.max(0, nextThreshold(heldBytes / limitBytes, thresholds) * limitBytes - heldBytes);
  const burstMs = Math.max(NEAR_MS, (distance / BURST_BYTES_PER_SECOND) * 1000);
  const riseMs =
    risePerSecond > 0 ? ((distance / risePerSecond) * 1000) / LOOKS_AHEAD : Number.POSITIVE_INFINITY;
  return Math.min(bounds.maxMs, Math.max(bounds.minMs, Math.min(burstMs, riseMs)));
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

/** A calm agent gets a whole reading this often; in between, a glance at its use shows whether it still is. */
const WHOLE_EVERY_MS = 400;
/** Use that moves by more than this share of the limit, and by more than 256 KiB, is looked at at once. */
const CALM_SHARE = 0.002;
const CALM_BYTES = 256 * 1024;

/**
 * Whether the whole reading can wait because a glance shows that nothing has moved since the last one. Not when use, dropped
 * or not, is above the warning ratio: there, what is held may grow in place of cache while the sum stays the same.
 */
export function canWait(
  usedBytes: number,
  last: { usedBytes: number; limitBytes: number },
  sinceMs: number,
  thresholds: Thresholds,
): boolean {
  if (sinceMs >= WHOLE_EVERY_MS || usedBytes >= thresholds.warnRatio * last.limitBytes) return false;
  return Math.abs(usedBytes - last.usedBytes) <= Math.max(CALM_BYTES, CALM_SHARE * last.limitBytes);
}

/** Warning is no cause for haste: what must not be missed are shedding, critical and the end. */
function nextThreshold(ratio: number, t: Thresholds): number {
  if (ratio < t.shedRatio) return t.shedRatio;
  return ratio < t.criticalRatio ? t.criticalRatio : 1;
}
