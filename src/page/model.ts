import type { GcRecord } from '../core/model/gc-record.ts';
import type { Level, Status } from '../core/model/status.ts';
import type { HistoryReading, Transition } from '../core/report/history.ts';
import { COLLECTIONS, type Death, type HistoryReport } from '../core/report/history-report.ts';

/** How far back the page looks, in milliseconds: as far as the guardian does. */
export const WINDOW_MS = 600_000;
const TRANSITIONS = 100;
/** As many as the guardian keeps. */
const DEATHS = 10;
/** A change of level that was seen live and the same one in the history differ by less than this, in milliseconds. */
const SAME_MS = 1500;

/** What is drawn of one reading. Bytes; wall-clock milliseconds of the guardian. */
export interface Point {
  atMs: number;
  level: Level;
  usedBytes: number;
  reclaimableBytes: number;
  anonBytes: number | null;
  limitBytes: number;
}

/** All the page knows of the past. */
export interface Past {
  /** Oldest first. */
  points: readonly Point[];
  /** Oldest first. */
  transitions: readonly Transition[];
  /** Newest first. */
  collections: readonly GcRecord[];
  /** Newest first. */
  deaths: readonly Death[];
  thresholds: HistoryReport['thresholds'] | null;
  version: string | null;
}

export const NO_PAST: Past = {
  points: [],
  transitions: [],
  collections: [],
  deaths: [],
  thresholds: null,
  version: null,
};

/**
 * The past as the guardian reports it, behind what this page saw before that: a guardian that was restarted begins anew, and
 * the page still shows what led there.
 */
export function withHistory(past: Past, report: HistoryReport): Past {
  const told = report.readings.map(pointOf);
  const firstMs = told[0]?.atMs ?? Number.POSITIVE_INFINITY;
  const seen = past.points.filter(({ atMs }) => atMs < firstMs);
  const changes = past.transitions.filter(
    (mine) => Date.parse(mine.at) < firstMs && !report.transitions.some((its) => isSame(mine, its)),
  );
  return {
    points: recent([...seen, ...told]),
    transitions: [...changes, ...report.transitions].slice(-TRANSITIONS),
    collections: report.collections,
    deaths: report.deaths,
    thresholds: report.thresholds,
    version: report.guardian.version,
  };
}

/** One more reading; one that is not later than the last is left out. */
export function withPoint(past: Past, point: Point): Past {
  const last = past.points.at(-1);
  if (last && point.atMs <= last.atMs) return past;
  return { ...past, points: recent([...past.points, point]) };
}

/** What a status tells that another did not: a change of level, a collection, a death. */
export function withStatus(past: Past, before: Status | null, status: Status): Past {
  let { transitions, collections, deaths } = past;
  if (before && before.level !== status.level) {
    const { since: at, ratio, reason } = status;
    const change = { at, from: before.level, to: status.level, ratio: ratio ?? 0, reason };
    if (!transitions.some((known) => isSame(known, change)))
      transitions = [...transitions, change].slice(-TRANSITIONS);
  }
  const { lastGc } = status;
  if (lastGc && !collections.some(({ at }) => at === lastGc.at))
    collections = [lastGc, ...collections].slice(0, COLLECTIONS);
  const { lastDeath } = status;
  if (lastDeath && !deaths.some(({ id }) => id === lastDeath.id))
    deaths = [lastDeath, ...deaths].slice(0, DEATHS);
  return transitions === past.transitions && collections === past.collections && deaths === past.deaths
    ? past
    : { ...past, transitions, collections, deaths };
}

/** The point of a status, or `null` while nothing can be read. */
export function pointOfStatus(status: Status, atMs: number): Point | null {
  const { level, usedBytes, reclaimableBytes, anonBytes, limitBytes } = status;
  if (usedBytes === null || limitBytes === null) return null;
  return { atMs, level, usedBytes, reclaimableBytes: reclaimableBytes ?? 0, anonBytes, limitBytes };
}

function pointOf({ at, level, usedBytes, reclaimableBytes, anonBytes, limitBytes }: HistoryReading): Point {
  return { atMs: Date.parse(at), level, usedBytes, reclaimableBytes, anonBytes, limitBytes };
}

function isSame(a: Transition, b: Transition): boolean {
  return a.to === b.to && a.from === b.from && Math.abs(Date.parse(a.at) - Date.parse(b.at)) < SAME_MS;
}

function recent(points: readonly Point[]): readonly Point[] {
  const fromMs = (points.at(-1)?.atMs ?? 0) - WINDOW_MS;
  return points.filter(({ atMs }) => atMs >= fromMs);
}
