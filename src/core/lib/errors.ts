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
  | 'sink' // an event could not be delivered
  | 'record'; // a post-mortem could not be written or read

/**
 * The one error class. `message` names the thing and the place; `hint` says what to do about it.
 */
export class SpillwayError extends Error {
  override readonly name = 'SpillwayError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** The text of anything thrown, in one line. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The errno name (`ENOENT`, `EACCES`, …) of a system error, or `undefined`. */
export function errnoOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined;
}
