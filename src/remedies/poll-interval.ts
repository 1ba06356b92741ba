import type { Situation } from '../core/ports/ports.ts';
import { atLeast } from '../core/pressure/level.ts';

/** How often the runtime is asked: at the warning level, and from shedding on or where requests wait. One question costs it 1–4 ms. */
export const POLL_MS = { warning: 1000, shedding: 250, urgent: 40 };
/** So many questions fit into the time to the limit. */
const ASKS_AHEAD = 8;

/** How often the runtime is to be asked where there is a reason to, in milliseconds. */
export function pollIntervalMs(
  { level, outlook }: Pick<Situation, 'level' | 'outlook'>,
  requestsWait: boolean,
): number {
  const urgentMs = Math.max(POLL_MS.urgent, ((outlook.secondsToLimit ?? Infinity) * 1000) / ASKS_AHEAD);
  return Math.min(urgentMs, requestsWait || atLeast(level, 'shedding') ? POLL_MS.shedding : POLL_MS.warning);
}
