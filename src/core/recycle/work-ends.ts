/** Requests in flight at one moment of a drain; monotonic milliseconds. */
export interface Count {
  atMs: number;
  count: number;
}

/** What is in flight gets so long to show that it ends at all. */
const SHOWS_MS = 3_000;

/**
 * Whether what is in flight ends within what is left of the drain, by the pace at which it has ended so far; where nothing has
 * ended for 3 s, waiting only loses time.
 * @param counts oldest first
 */
export function isEnding(counts: readonly Count[], nowMs: number, leftMs: number): boolean {
  const [first, last] = [counts[0], counts.at(-1)];
  if (!first || !last || last.count === 0 || nowMs - first.atMs < SHOWS_MS) return true;
  const ended = first.count - last.count;
  return ended > 0 && (last.count / ended) * (nowMs - first.atMs) <= leftMs;
}
