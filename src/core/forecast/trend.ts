import type { Points } from './series.ts';
import { type Slope, theilSen } from './statistics.ts';

/** A trend has ended when there was no new high for this long, and for three times the second longest pause it made before. */
const REST_MS = 3_000;
const PAUSES = 3;

/** Fewer points than this are no trend yet. */
export const MIN_POINTS = 6;
/** Standard deviations by which what is later must disagree before what was earlier is dropped as history. */
const DISAGREES = 2.58;

/** Growth in bytes per second, with its bounds, and the first point it is drawn through. */
export interface Trend extends Slope {
  sinceMs: number;
}

/**
 * The slope of the longest latest stretch whose later half, quarter … agree with it: so a step, a ramp of start-up, a
 * long rest or a change of pace is history as soon as what came after it is long enough to say so.
 * @param points bytes over milliseconds
 */
export function longestTrend(points: Points): Trend | null {
  const whole = theilSen(points);
  if (whole === null) return null;
  for (let later = laterHalf(points); later; later = laterHalf(later)) {
    const slope = theilSen(later, DISAGREES);
    if (slope && (whole.slope < slope.low || whole.slope > slope.high))
      return longestTrend(laterHalf(points) ?? later);
  }
  const { slope, low, high } = whole;
  return { slope: slope * 1000, low: low * 1000, high: high * 1000, sinceMs: points.times[0] ?? Number.NaN };
}

function laterHalf({ times, values }: Points): Points | null {
  const half = times.length >> 1;
  if (times.length - half < MIN_POINTS) return null;
  return { times: times.subarray(half), values: values.subarray(half) };
}

/** How a rise goes on: what one in steps or in cycles does, and a rest does not. Times in milliseconds. */
export interface Highs {
  /** The first new high, and the last. */
  firstMs: number;
  lastMs: number;
  /** The longest time between two of them, and the second longest: one long pause may be that before the rise. */
  pauses: readonly [longestMs: number, secondMs: number];
  /** How high the last one is. */
  bytes: number;
  count: number;
}

/** A new high is one only if it makes good this share of what the trend has promised since the last one. */
const KEPT_SHARE = 0.25;

/**
 * The new highs of a rise.
 * @param points highest use over time, from where the trend begins
 * @param noiseBytes a high by less is none
 */
export function highsOf({ times, values }: Points, bytesPerSecond: number, noiseBytes: number): Highs {
  const startMs = times[0] ?? Number.NaN;
  let highs: Highs = { firstMs: startMs, lastMs: startMs, pauses: [0, 0], bytes: values[0] ?? 0, count: 0 };
  for (const [i, value] of values.entries())
    highs = nextHighs(highs, { atMs: times[i] ?? Number.NaN, value }, bytesPerSecond, noiseBytes);
  return highs;
}

/** The same with one more point. */
export function nextHighs(
  highs: Highs,
  { atMs, value: bytes }: { atMs: number; value: number },
  bytesPerSecond: number,
  noiseBytes: number,
): Highs {
  const { firstMs, lastMs, pauses } = highs;
  const promised = (KEPT_SHARE * bytesPerSecond * (atMs - lastMs)) / 1000;
  if (bytes <= highs.bytes + Math.max(noiseBytes, promised)) return highs;
  const count = highs.count + 1;
  // what comes before the first one is no pause of the rise
  if (count === 1) return { firstMs: atMs, lastMs: atMs, pauses, bytes, count };
  const [longestMs, secondMs] = pauses;
  const pauseMs = atMs - lastMs;
  const next = [Math.max(longestMs, pauseMs), Math.max(secondMs, Math.min(longestMs, pauseMs))] as const;
  return { firstMs, lastMs: atMs, pauses: next, bytes, count };
}

/** Whether use has stopped making new highs: for longer than its steps and cycles explain. */
export function rests(atMs: number, windowMs: number, { lastMs, pauses: [, pauseMs] }: Highs): boolean {
  // the pause between the highs of two windows is no longer than this where there is none
  return atMs - lastMs > Math.max(REST_MS, PAUSES * (pauseMs - windowMs));
}
