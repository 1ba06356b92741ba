import { atLeast } from './level.ts';
import type { Level } from './status.ts';

/** One stretch of being at shedding or above. */
export interface ReadinessState {
  /** When use last made a new low in this stretch, or when the stretch began; `null` outside of one. */
  readonly lastFallMs: number | null;
  readonly lowestBytes: number;
  /** Un-ready for too long with nothing gained: ready again until the stretch ends. */
  readonly stuck: boolean;
}

export const READY: ReadinessState = { lastFallMs: null, lowestBytes: 0, stuck: false };

/** A fall smaller than this share of the limit is noise and buys no further un-ready time. */
const FALL_SHARE = 0.01;

/**
 * Readiness after a reading. Refusing work is worth it only while it brings memory back: when use has not fallen
 * for `maxUnreadyMs`, being un-ready helps nobody and the agent is made ready again until the level recovers.
 * Systems that shed on a memory ratio without such a cap stayed un-ready for hours.
 */
export function nextReadiness(
  state: ReadinessState,
  level: Level,
  heldBytes: number,
  limitBytes: number,
  nowMs: number,
  maxUnreadyMs: number,
): ReadinessState {
  if (!atLeast(level, 'shedding')) return state.lastFallMs === null ? state : READY;
  if (state.lastFallMs === null) return { lastFallMs: nowMs, lowestBytes: heldBytes, stuck: false };
  if (state.stuck) return state;
  if (heldBytes < state.lowestBytes - FALL_SHARE * limitBytes)
    return { lastFallMs: nowMs, lowestBytes: heldBytes, stuck: false };
  return nowMs - state.lastFallMs >= maxUnreadyMs ? { ...state, stuck: true } : state;
}

/** Whether new work should come at all. */
export function isReady(state: ReadinessState): boolean {
  return state.lastFallMs === null || state.stuck;
}
