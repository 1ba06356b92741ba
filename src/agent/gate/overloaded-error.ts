/** Work was not begun: memory has no room for it, and too much waits already or it has waited for too long. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
  /** When to try again, in seconds, by how long such work takes here. */
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(`memory has no room for this work: try again in ${retryAfterSeconds} s`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
