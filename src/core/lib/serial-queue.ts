/** One thing at a time, in the order in which they were asked for; what fails does not stop the next. */
export class SerialQueue {
  #last: Promise<unknown> | undefined;
  readonly #failed: (error: unknown) => void;

  /** @param failed gets the error of what was started and failed */
  constructor(failed: (error: unknown) => void = () => {}) {
    this.#failed = failed;
  }

  /** The end of all that was asked for so far, while there is any; it never rejects. */
  get running(): Promise<unknown> | undefined {
    return this.#last;
  }

  /** As `next`, for which nobody waits. */
  start(work: () => Promise<void>): void {
    this.next(work).catch(this.#failed);
  }

  /** At once where nothing runs, else after all that was asked for. Rejects as the work does. */
  next<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last ? this.#last.then(work) : work();
    const last: Promise<void> = run.then(
      () => this.#done(last),
      () => this.#done(last), // its caller gets the error
    );
    this.#last = last;
    return run;
  }

  #done(run: Promise<unknown>): void {
    if (this.#last === run) this.#last = undefined;
  }
}
