import type { Slope } from './statistics.ts';

/** When memory meets its limit if it goes on as it does. Seconds from now. */
export interface Forecast {
  /** `null` when memory does not certainly grow, or would take more than a day. */
  secondsToLimit: number | null;
  /** 95 % bounds of `secondsToLimit`; an upper bound of `null` means the growth may be none at all. */
  range: [low: number, high: number | null] | null;
}

/** Nothing further away than a day is forecast: two minutes of observation say nothing about tomorrow. */
const HORIZON_SECONDS = 24 * 3600;

/** Peaks reach this many of their standard deviations up or down in 95 of 100 cases. */
const Z95 = 1.96;

/** A straight line is never a truer model than this: no bound is nearer to the forecast than 2 %. */
const MODEL_SHARE = 0.02;

/**
 * Headroom divided by growth, with the bounds of both.
 * @param headroomBytes what is left below the limit; 0 or less is "now"
 * @param growth bytes per second; `low` at or below 0 leaves the forecast open above
 * @param spreadBytes standard deviation of the headroom: of the peaks that are to meet the limit
 */
export function forecast(headroomBytes: number, growth: Slope | null, spreadBytes = 0): Forecast {
  if (growth === null || growth.slope <= 0) return { secondsToLimit: null, range: null };
  const seconds = Math.max(0, headroomBytes) / growth.slope;
  if (seconds > HORIZON_SECONDS) return { secondsToLimit: null, range: null };
  const margin = Z95 * spreadBytes;
  const earliest = ((1 - MODEL_SHARE) * Math.max(0, headroomBytes - margin)) / growth.high;
  const latest = ((1 + MODEL_SHARE) * Math.max(0, headroomBytes + margin)) / growth.low;
  const open = growth.low <= 0 || latest > HORIZON_SECONDS;
  return { secondsToLimit: seconds, range: [earliest, open ? null : latest] };
}
