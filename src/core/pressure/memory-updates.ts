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

/** Whether a hook is to be told how memory does: a level at once, use when it has moved, nothing while nothing changes. */
export function isNews(said: Said | undefined, now: Said, active: boolean): boolean {
  if (!said) return true;
  const [before, after] = [said.message, now.message];
  const turned = before.level !== after.level || before.stuck !== after.stuck;
  if (turned || before.limitBytes !== after.limitBytes) return true;
  if (Math.abs(after.usedBytes - before.usedBytes) < STEP * after.limitBytes) return false;
  return now.atMs - said.atMs >= (active ? EVERY_MS.active : EVERY_MS.resting);
}
