/** Waits that double with each failure in a row: `first`, twice, four times … `longest`, in any unit of time. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
}

/** The wait after so many failures in a row; 0 after none. */
export function waitAfter({ first, longest }: Backoff, failures: number): number {
  return failures <= 0 ? 0 : Math.min(longest, first * 2 ** (failures - 1));
}

/** When to try again. Monotonic milliseconds. */
export interface Retry {
  /** In a row. */
  readonly failures: number;
  readonly fromMs: number;
}

export const AT_ONCE: Retry = { failures: 0, fromMs: Number.NEGATIVE_INFINITY };

/** After one more failure. */
export function retryLater({ failures }: Retry, backoff: Backoff, nowMs: number): Retry {
  return { failures: failures + 1, fromMs: nowMs + waitAfter(backoff, failures + 1) };
}
