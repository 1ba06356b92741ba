import { unreclaimableBytes } from '../core/model/reading.ts';
import type { Status } from '../core/model/status.ts';
import type { Past, Point } from './model.ts';

/** Readings further apart than this have a gap between them, in milliseconds: the history keeps one a second. */
export const GAP_MS = 3500;
/** How much of the future the chart shows, as a share of the past it shows. */
export const FUTURE_SHARE = 0.1;
/** Below this share of the limit use would be a flat line at the bottom: the chart shows less than the limit. */
const SMALL_SHARE = 0.2;
const HEADROOM = 1.08;
const CLOSE_UP = 1.5;

/** Columns of the chart, each as long as `seconds`; `null` leaves the line out there. Bytes. */
export interface Columns {
  seconds: number[];
  held: (number | null)[];
  used: (number | null)[];
  anon: (number | null)[];
  warning: (number | null)[];
  shedding: (number | null)[];
  critical: (number | null)[];
  limit: (number | null)[];
  forecast: (number | null)[];
}

/** What is to be drawn. */
export interface Picture {
  columns: Columns;
  /** Seconds since the epoch, from left to right. */
  span: [from: number, to: number];
  /** Upper end of the scale of bytes. */
  topBytes: number;
  /** Stretches without a reading, in seconds. */
  gaps: [from: number, to: number][];
  /** When the limit is reached if nothing changes, in seconds since the epoch; `null` outside the picture. */
  limitAt: number | null;
  /** The last limit; `null` before the first reading. */
  limitBytes: number | null;
}

/** What the forecast follows from; `null` while there is none to be shown. */
export type Outlook = Pick<Status, 'growthBytesPerSecond' | 'secondsToLimit'> | null;

/**
 * Lays out the last `windowMs` and a little of the future.
 * @param nowMs the guardian's time
 */
export function picture(
  { points, thresholds }: Pick<Past, 'points' | 'thresholds'>,
  outlook: Outlook,
  nowMs: number,
  windowMs: number,
): Picture {
  const fromMs = nowMs - windowMs;
  const toMs = nowMs + windowMs * FUTURE_SHARE;
  const shown = points.filter(({ atMs }, i) => atMs >= fromMs || (points[i + 1]?.atMs ?? 0) >= fromMs);
  const columns = emptyColumns();
  const gaps: Picture['gaps'] = [];
  const add = (atMs: number, values: Partial<Record<keyof Columns, number | null>>) => {
    columns.seconds.push(atMs / 1000);
    for (const key of LINES) columns[key].push(values[key] ?? null);
  };
  const limits = (limitBytes: number) => ({
    limit: limitBytes,
    warning: thresholds && thresholds.warnRatio * limitBytes,
    shedding: thresholds && thresholds.shedRatio * limitBytes,
    critical: thresholds && thresholds.criticalRatio * limitBytes,
  });

  let before: Point | undefined;
  for (const point of shown) {
    if (before && point.atMs - before.atMs > GAP_MS) {
      add(before.atMs + 1, limits(before.limitBytes));
      gaps.push([before.atMs / 1000, point.atMs / 1000]);
    }
    const { usedBytes: used, anonBytes: anon, limitBytes } = point;
    add(point.atMs, { used, anon, held: unreclaimableBytes(point), ...limits(limitBytes) });
    before = point;
  }

  let limitAt: number | null = null;
  const last = shown.at(-1);
  if (last) {
    const blind = nowMs - last.atMs > GAP_MS;
    if (blind) gaps.push([last.atMs / 1000, nowMs / 1000]);
    const path = blind ? null : forecastPath(last, outlook, toMs);
    if (path) {
      columns.forecast[columns.forecast.length - 1] = unreclaimableBytes(last);
      add(path.endMs, { forecast: path.endBytes, ...limits(last.limitBytes) });
      if (path.reaches) limitAt = path.endMs / 1000;
    }
    if ((path?.endMs ?? last.atMs) < toMs) add(toMs, limits(last.limitBytes));
  }
  return {
    columns,
    span: [fromMs / 1000, toMs / 1000],
    topBytes: topOf(shown),
    gaps,
    limitAt,
    limitBytes: last?.limitBytes ?? null,
  };
}

const LINES = ['held', 'used', 'anon', 'warning', 'shedding', 'critical', 'limit', 'forecast'] as const;

function emptyColumns(): Columns {
  return {
    seconds: [],
    held: [],
    used: [],
    anon: [],
    warning: [],
    shedding: [],
    critical: [],
    limit: [],
    forecast: [],
  };
}

/** The straight line on which use goes on, up to the limit or to the edge of the picture. */
function forecastPath(last: Point, outlook: Outlook, toMs: number) {
  const { growthBytesPerSecond: growth, secondsToLimit } = outlook ?? {};
  if (growth == null || secondsToLimit == null || growth <= 0) return null;
  const limitMs = last.atMs + secondsToLimit * 1000;
  const endMs = Math.max(last.atMs + 1, Math.min(limitMs, toMs));
  const held = unreclaimableBytes(last);
  const share = secondsToLimit > 0 ? (endMs - last.atMs) / 1000 / secondsToLimit : 1;
  return {
    endMs,
    endBytes: held + (Math.max(held, last.limitBytes) - held) * Math.min(1, share),
    reaches: limitMs <= toMs,
  };
}

function topOf(points: readonly Point[]): number {
  let limit = 0;
  let used = 0;
  for (const point of points) {
    limit = Math.max(limit, point.limitBytes);
    used = Math.max(used, point.usedBytes);
  }
  if (used < SMALL_SHARE * limit) return used * CLOSE_UP || limit || 1;
  return Math.max(limit, used) * HEADROOM || 1;
}
