import type { Level } from '../model/status.ts';
import { atLeast } from './level.ts';

/**
 * How far the guardian may go to reach the agent's runtime. `none`: not at all; `open`: by what the agent has open already;
 * `signal`: by a signal that opens it (SIGUSR1 for Node, SIGQUIT for a JVM), or by an order left in its memory (Python).
 */
export type Access = 'none' | 'open' | 'signal';

/** A limit nearer than this is a foreseen kill. */
export const FORESEEN_SECONDS = 5;
/** Below this share of the warning ratio a near limit is no reason yet: collecting early frees little each time. */
export const FORESEEN_FROM = 0.75;

/** Whether the limit is so near that growth should be looked at, whatever the level. */
export function isForeseen(secondsToLimit: number | null): boolean {
  return secondsToLimit !== null && secondsToLimit <= FORESEEN_SECONDS;
}

/**
 * In calm nothing is touched; at the warning level only what is open already. A signal is the last resort: only while
 * shedding. Below that a forecast is no reason: an agent that fills up on its start, or by a burst, looks the same until it
 * rests, and where it does not, half of the time it had at the warning level is left.
 */
export function accessAt(level: Level): Access {
  if (atLeast(level, 'shedding')) return 'signal';
  return atLeast(level, 'warning') ? 'open' : 'none';
}
