/** Longest `Retry-After`, in seconds: longer, and recovered capacity would lie idle. */
const LONGEST_SECONDS = 30;

/**
 * When a refused client may come back, in seconds: not before the hold has passed, and after it when memory falls
 * enough; while use of what is nearest to its limit still rises, not before that would be reached, for then it is decided either way.
 */
export function retryAfterSeconds(secondsToLimit: number | null, { hold }: { hold: number }): number {
  const seconds = Math.max(hold / 1000, secondsToLimit ?? 0);
  return Math.min(LONGEST_SECONDS, Math.max(1, Math.ceil(seconds)));
}
