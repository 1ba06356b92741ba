import { SpillwayError } from '../lib/errors.ts';
import type { GuardianEvent } from '../model/events.ts';

/** A receiver of events: a webhook, the API server. One attempt per call; repeating is the notifier's work. */
export interface Sink {
  /** As it stands in `spillway_events_total{sink}`. */
  readonly name: string;
  /**
   * Hands one event over, once. Must stop soon after `signal` aborts.
   * @throws SpillwayError `sink` when it could not: `retryable: false` where the same event will never be taken; any other error
   * counts as "try again"
   */
  deliver(event: GuardianEvent, signal: AbortSignal): Promise<void>;
  /** Repeats of a reason are one thing with a count to it: those waiting become one. */
  readonly coalesces?: boolean;
  /**
   * Whether an event may go now, by the sink's own rate limit: 0, and it is counted as gone; else how long it has to wait,
   * in milliseconds. What may go passes what has to wait. Not asked at the end, when there is no later. Must not throw.
   */
  permit?(event: GuardianEvent): number;
  /** Longest wait between two attempts that the back-off comes to, in milliseconds; default that of the retry. */
  readonly maxWaitMs?: number;
}

/** Whether the same event will never be taken. */
export function isPermanent(error: unknown): error is SpillwayError {
  return error instanceof SpillwayError && error.code === 'sink' && !error.retryable;
}

/**
 * Repeats `attempt` until it succeeds. Waits grow between attempts, and follow `retryAfterMs` where an error carries it.
 * @throws the error, when it is a `sink` that is not retryable; the abort reason, when `signal` ends the waiting
 */
export type Retry = (attempt: () => Promise<void>, options: RetryOptions) => Promise<void>;

export interface RetryOptions {
  signal: AbortSignal;
  /** Before the second attempt, in milliseconds; doubles from there. */
  firstWaitMs: number;
  /** Longest wait that the doubling comes to, in milliseconds. Default 60 s. */
  maxWaitMs?: number | undefined;
  /** Called after each failure that will be tried again. */
  onRetry(error: Error): void;
}
