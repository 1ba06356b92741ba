import { atLeast } from '../core/level.ts';
import type { Situation } from '../core/ports.ts';

/** How often the runtime is asked: at the warning level, and from shedding on. One question costs it 1–4 ms. */
export const ASK_MS = { warning: 1000, shedding: 250, urgent: 40 };
/** So many questions fit into the time to the limit. */
const ASKS_AHEAD = 8;

/** How often the runtime is to be asked under pressure, in milliseconds; `null` below the warning level. */
export function askEveryMs({ level, outlook }: Pick<Situation, 'level' | 'outlook'>): number | null {
  const urgentMs = Math.max(ASK_MS.urgent, ((outlook.secondsToLimit ?? Infinity) * 1000) / ASKS_AHEAD);
  if (atLeast(level, 'shedding')) return Math.min(urgentMs, ASK_MS.shedding);
  if (atLeast(level, 'warning')) return Math.min(urgentMs, ASK_MS.warning);
  return null;
}
