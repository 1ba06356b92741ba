import type { SerialQueue } from '../core/lib/serial-queue.ts';
import type { Clock } from '../core/ports/ports.ts';
import type { RuntimeConnection } from './runtime-connection.ts';

/** The runtime is let go when nothing was asked of it for so long. */
const LINGER_MS = 2000;

/** Lets the runtime go once nothing was asked of it for a while, whatever keeps the next question from being asked. */
export class Linger {
  readonly #connection: RuntimeConnection;
  readonly #queue: SerialQueue;
  readonly #clock: Clock;
  #timer: { cancel(): void } | undefined;
  #untilMs = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(connection: RuntimeConnection, queue: SerialQueue, clock: Clock) {
    this.#connection = connection;
    this.#queue = queue;
    this.#clock = clock;
  }

  /** For so much longer than else: a profile that somebody asked for is being sampled. */
  atLeast(ms: number): void {
    this.#untilMs = this.#clock.now() + ms + LINGER_MS;
  }

  /** After each question. */
  start(): void {
    this.#timer?.cancel();
    if (this.#ended) return;
    const ms = Math.max(LINGER_MS, this.#untilMs - this.#clock.now());
    this.#timer = this.#clock.setTimer(() => {
      if (this.#queue.running) this.start();
      else if (this.#connection.client) this.#queue.start(() => this.#connection.letGo());
    }, ms);
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }
}
