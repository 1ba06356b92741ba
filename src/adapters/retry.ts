import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import { SpillwayError } from '../core/lib/errors.ts';
import { isPermanent, type RetryOptions } from '../core/ports/sink.ts';

/** Longest wait between two attempts that the back-off comes to, in milliseconds. */
const MAX_WAIT_MS = 60_000;
/** A receiver's `Retry-After` is kept within these: 0 would hammer it, a year would mute the sink. */
const RETRY_AFTER_MS = { min: 1000, max: 600_000 };

/**
 * Exponential back-off with jitter, without an end: the first wait is one to two times `firstWaitMs`, each next doubles, 60 s
 * at most unless told otherwise. A `Retry-After` replaces the wait (1 s to 10 min, up to a tenth longer so that a crowd does
 * not return at once).
 */
export async function retry(attempt: () => Promise<void>, options: RetryOptions): Promise<void> {
  await pRetry(attempt, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: options.firstWaitMs,
    maxTimeout: options.maxWaitMs ?? MAX_WAIT_MS,
    factor: 2,
    randomize: true,
    signal: options.signal,
    shouldConsumeRetry: ({ error }) => waitAsked(error) === undefined,
    shouldRetry: async ({ error }) => {
      if (isPermanent(error)) return false;
      options.onRetry(error);
      const waitMs = waitAsked(error);
      if (waitMs !== undefined)
        await sleep(waitMs * (1 + Math.random() / 10), undefined, { signal: options.signal });
      return true;
    },
  });
}

function waitAsked(error: Error): number | undefined {
  const asked = error instanceof SpillwayError ? error.retryAfterMs : undefined;
  return asked === undefined ? undefined : Math.min(RETRY_AFTER_MS.max, Math.max(RETRY_AFTER_MS.min, asked));
}
