import type { EventReason, GuardianEvent } from './events.ts';

/** The waiting events after one more came, and what that did: waits, was merged, or cost an event its place. */
export interface Enqueued {
  waiting: readonly GuardianEvent[];
  result: 'queued' | 'merged' | 'dropped';
}

const DEATHS: ReadonlySet<EventReason> = new Set(['AgentOOMKilled', 'AgentExited']);

/** How much it hurts to lose an event: recovery least, a death most. */
function importance(event: GuardianEvent): number {
  if (DEATHS.has(event.reason)) return 2;
  return event.type === 'Warning' ? 1 : 0;
}

/**
 * Adds an event to those waiting for one sink. An event with the reason of the last one waiting takes its place and adds
 * to its count: order stays true, a flapping agent cannot fill the queue. A full queue gives up its least important event,
 * the oldest of those; that may be the new one itself.
 * @param max most events kept waiting
 */
export function enqueue(waiting: readonly GuardianEvent[], event: GuardianEvent, max: number): Enqueued {
  const last = waiting.at(-1);
  if (last?.reason === event.reason)
    return {
      waiting: [...waiting.slice(0, -1), { ...event, count: last.count + event.count }],
      result: 'merged',
    };
  const all = [...waiting, event];
  if (all.length <= max) return { waiting: all, result: 'queued' };
  const least = Math.min(...all.map(importance));
  return {
    waiting: all.toSpliced(
      all.findIndex((each) => importance(each) === least),
      1,
    ),
    result: 'dropped',
  };
}
