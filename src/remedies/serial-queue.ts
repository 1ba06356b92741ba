/** One thing at a time: what the loop does, and what is asked for from outside. */
export class SerialQueue {
  #running: Promise<unknown> | undefined;
  readonly #failed: (error: unknown) => void;

  /** @param failed is told what was started and failed */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** What runs; it never rejects. */
  get running(): Promise<unknown> | undefined {
    return this.#running;
  }

  /** For when nothing runs. */
  start(work: () => Promise<void>): void {
    this.#running = work()
      .catch(this.#failed)
      .finally(() => this.#done());
  }

  /** After what runs now, and before what the loop would do next. Rejects as the work does. */
  async next<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running) await this.#running;
    const run = work();
    this.#running = run.catch(() => {}); // it is told to who asked
    try {
      return await run;
    } finally {
      this.#done();
    }
  }

  #done(): void {
    this.#running = undefined;
  }
}
