import { clean } from './text.ts';

/** The closed set of failures Spillway names. A code is stable: logs, the API and scripts may depend on it. */
export type ErrorCode =
  | 'config' // an option, the environment or the configuration file is wrong
  | 'manifest' // a Kubernetes manifest could not be read
  | 'kubernetes' // the Kubernetes API refused or did not answer
  | 'read' // a kernel file or the process list could not be read
  | 'malformed' // a kernel file was read and makes no sense
  | 'no-agent' // there is no process to guard, or more than one fits
  | 'command' // the wrapped command could not be started
  | 'listen' // an address could not be bound
  | 'request' // an HTTP request is wrong
  | 'busy' // the same is being done already
  | 'unavailable' // what was asked for cannot be done here or now
  | 'refused' // the agent's runtime cannot be reached, or declines
  | 'timeout' // the agent's runtime does not answer in time
  | 'deferred' // the agent's runtime could be reached by a signal, which is kept for a more serious moment
  | 'sink' // an event could not be delivered
  | 'record' // a post-mortem could not be written or read
  | 'unexpected'; // none of these: a bug, or another program's error

/** Failures that pass by themselves, where nothing else is said. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['busy', 'sink']);
/** The agent may have written the message: it is kept to one line of so many characters. */
const FROM_AGENT: ReadonlySet<ErrorCode> = new Set(['refused', 'timeout', 'deferred']);
const MOST_FROM_AGENT = 500;

export interface SpillwayErrorOptions {
  hint?: string | undefined;
  cause?: unknown;
  /** Default: by the code, see `retryable`. */
  retryable?: boolean | undefined;
  retryAfterMs?: number | undefined;
}

/**
 * The one error class. `message` names the thing and the place; `hint` says what to do about it.
 */
export class SpillwayError extends Error {
  override readonly name = 'SpillwayError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Whether the same may succeed when it is tried again soon; `busy` and `sink` by default. */
  readonly retryable: boolean;
  /** How long the other side asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: SpillwayErrorOptions = {}) {
    const { cause, hint, retryable = PASSING.has(code), retryAfterMs } = options;
    const text = FROM_AGENT.has(code) ? clean(message, MOST_FROM_AGENT) : message;
    super(text, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }

  /**
   * Anything thrown as one of these: itself where it is one, and of `code` where that is given; else one of `code` with its
   * message and its hint, and with what was thrown as `cause`.
   */
  static from(thrown: unknown, code?: ErrorCode): SpillwayError {
    if (thrown instanceof SpillwayError && (code === undefined || code === thrown.code)) return thrown;
    const hint = thrown instanceof SpillwayError ? thrown.hint : undefined;
    return new SpillwayError(code ?? 'unexpected', messageOf(thrown), { hint, cause: thrown });
  }
}

/** The text of anything thrown, in one line. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The same, with what to do about it where that is known. */
export function describeError(thrown: unknown): string {
  const { message, hint } = SpillwayError.from(thrown);
  return hint === undefined ? message : `${message}; ${hint}`;
}

/** The errno name (`ENOENT`, `EACCES`, …) of a system error, or `undefined`. */
export function errnoOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined;
}
