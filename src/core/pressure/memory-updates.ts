import type { MemoryMessage } from '../model/hook-messages.ts';

/** What moves less than this share of the limit is no news. */
const STEP = 0.01;
/** Between two messages: to a process that has requests in flight, and to one at rest. */
const EVERY_MS = { active: 25, resting: 1000 };

/** What was said to a hook last, and when. */
export interface Said {
  message: MemoryMessage;
  atMs: number;
}

/** What a hook has said of its requests: at rest, in flight, or waiting for memory. */
export type Activity = 'resting' | 'active' | 'waiting';

/**
 * Whether a hook gets word of how memory does: a level at once, use when it has moved, nothing while nothing changes; where requests
 * wait, each second all the same, so that they know that somebody watches.
 */
export function isNews(said: Said | undefined, now: Said, activity: Activity): boolean {
  if (!said) return true;
  const [before, after] = [said.message, now.message];
  const turned = before.level !== after.level || before.stuck !== after.stuck;
  if (turned || before.limitBytes !== after.limitBytes) return true;
  const passedMs = now.atMs - said.atMs;
  if (activity === 'waiting' && passedMs >= EVERY_MS.resting) return true;
  if (Math.abs(after.usedBytes - before.usedBytes) < STEP * after.limitBytes) return false;
  return passedMs >= (activity === 'resting' ? EVERY_MS.resting : EVERY_MS.active);
}
