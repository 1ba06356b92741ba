import { setImmediate as nextTurn } from 'node:timers/promises';

/** Longest stretch of work before the event loop gets its turn: sampling must stay on time. */
const SLICE_MS = 2;

/** Lets the event loop have its turn whenever a slice of work is over. */
export function createYielder(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < SLICE_MS) return undefined;
    return nextTurn().then(() => {
      since = performance.now();
    });
  };
}
