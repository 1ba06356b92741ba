import type { Pressure } from '../pressure.ts';
import { OverloadedError } from './overloaded-error.ts';
import { gateOf } from './pressure-gate.ts';

/** What {@link limit} goes by. */
export interface LimitOptions {
  /** Whose memory is short. All limits and middleware of one pressure share its gate. */
  pressure: Pressure;
  /** Work of one kind costs alike: what it adds to memory is learned by kind. Default `limit`. */
  kind?: string | undefined;
  /** How long work waits at most, in milliseconds. Default 10,000. */
  maxWaitMs?: number | undefined;
}

/** As `AbortSignal` is. */
export interface LimitSignal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface LimitedOptions {
  /** How many ordinary pieces of work it counts for, above 0 and at most 1000. Default 1. */
  weight?: number | undefined;
  /** Once aborted, work that waits is not begun: it rejects with the signal's reason. Work in flight goes on. */
  signal?: LimitSignal | undefined;
}

/**
 * Calls `fn` once memory has room for it, and gives what it gives.
 * @throws OverloadedError when too much waits already, or it has waited for too long
 */
export type Limited = <T>(fn: () => T, options?: LimitedOptions) => Promise<Awaited<T>>;

/** What of work that waits is held in memory: its closure and its promise. */
const WAITING_BYTES = 1024;

/** A limit to how much work is in flight, by what memory does. Work that `fn` limits in turn counts in place of `fn`. */
export function limit({ pressure, kind = 'limit', maxWaitMs }: LimitOptions): Limited {
  const gate = gateOf(pressure);
  return (fn, { weight, signal } = {}) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      let settled = false;
      const settle = () => {
        settled = true;
        signal?.removeEventListener('abort', abort);
      };
      const leave = gate.enter({
        ...{ kind, weight, maxWaitMs, heldBytes: WAITING_BYTES },
        begin(done) {
          settle();
          run(fn, done).then(resolve, reject);
        },
        refuse(retryAfterSeconds) {
          settle();
          reject(new OverloadedError(retryAfterSeconds));
        },
      });
      function abort(): void {
        settle();
        leave();
        reject(signal?.reason);
      }
      if (!settled) signal?.addEventListener('abort', abort);
    });
}

async function run<T>(fn: () => T, done: () => void): Promise<Awaited<T>> {
  try {
    return await fn();
  } finally {
    done();
  }
}
