import { LEVELS, type Level } from '../model/status.ts';

/** When levels are entered and left. Ratios 0…1. */
export interface Thresholds {
  warnRatio: number;
  shedRatio: number;
  criticalRatio: number;
  /** A level is left below its ratio less this margin … */
  recoverMargin: number;
  /** … and not before this time in it, in milliseconds. */
  hold: number;
}

/** A level and the monotonic time it was entered. */
export interface LevelState {
  readonly level: Level;
  readonly sinceMs: number;
}

const RANK: Readonly<Record<Level, number>> = { ok: 0, warning: 1, shedding: 2, critical: 3 };

/** Whether `a` is as severe as `b` or more so. */
export function atLeast(a: Level, b: Level): boolean {
  return RANK[a] >= RANK[b];
}

/** The ratio at which a level is entered; 0 for `ok`. */
export function entryRatio(level: Level, t: Thresholds): number {
  return { ok: 0, warning: t.warnRatio, shedding: t.shedRatio, critical: t.criticalRatio }[level];
}

/** The highest level whose entry ratio, less `margin`, is reached. */
export function levelAt(ratio: number, margin: number, t: Thresholds): Level {
  if (ratio >= t.criticalRatio - margin) return 'critical';
  if (ratio >= t.shedRatio - margin) return 'shedding';
  if (ratio >= t.warnRatio - margin) return 'warning';
  return LEVELS[0];
}

/** The level without its hold: use that has fallen, or a limit that was raised, counts at once. */
export function withoutHold(level: Level, ratio: number, t: Thresholds): Level {
  const by = levelAt(ratio, t.recoverMargin, t);
  return atLeast(level, by) ? by : level;
}

/**
 * The level after a reading. Up at once and over as many levels as it takes; down only below the margin and
 * after the hold, so that a level, once entered, stays for at least `hold` unless a worse one follows.
 * Returns `state` itself when nothing changes.
 */
export function nextLevel(state: LevelState, ratio: number, nowMs: number, t: Thresholds): LevelState {
  const entered = levelAt(ratio, 0, t);
  if (RANK[entered] > RANK[state.level]) return { level: entered, sinceMs: nowMs };
  if (entered === state.level || nowMs - state.sinceMs < t.hold) return state;
  const held = levelAt(ratio, t.recoverMargin, t);
  return RANK[held] < RANK[state.level] ? { level: held, sinceMs: nowMs } : state;
}
