import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import { formatSeconds } from '../core/lib/units.ts';
import type { GuardianEvent } from '../core/model/events.ts';
import { isPermanent, type Retry, type Sink } from '../core/ports/sink.ts';
import { enqueue } from '../core/report/event-queue.ts';

/** What became of an event at one sink, as in `spillway_events_total{sink,result}`. `retried` counts attempts. */
export type DeliveryResult = 'delivered' | 'retried' | 'merged' | 'dropped' | 'rejected';

export interface NotifierOptions {
  sinks: readonly Sink[];
  retry: Retry;
  /** Counts; must not throw. */
  onResult(sink: string, result: DeliveryResult, n: number): void;
  /** Says why a sink does not take events: once when it goes away, and for each event it refuses. Must not throw. */
  onProblem?(sink: string, message: string): void;
  /** Most events waiting per sink. Default 100. */
  maxWaiting?: number;
  /** Most bytes waiting per sink, as JSON. Default 256 KiB. */
  maxWaitingBytes?: number;
  /** Time limit of one attempt in milliseconds. Default 10 s. */
  attemptMs?: number;
  /** Wait before the second attempt in milliseconds, doubling from there. Default 1 s. */
  firstWaitMs?: number;
}

export interface Notifier {
  /** Hands an event to every sink's queue; returns at once, never throws. After `close` it is dropped. */
  emit(event: GuardianEvent): void;
  /**
   * Tries what is left at once, for at most `graceMs`.
   * @returns the sinks that lost events, and how many; empty when all were delivered
   */
  close(graceMs: number): Promise<{ sink: string; lost: number }[]>;
}

/** While closing there is no time for a long back-off. */
const CLOSING_WAIT_MS = 100;
/** Attempts in a row after which an event lets those behind it pass: half a minute to a minute, and at the end next to nothing. */
const GIVE_WAY_AFTER = { open: 6, closing: 2 };
/** Longest timer that Node can set. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Sends events to all sinks, each with a queue and a worker of its own, so that none delays another. */
export function createNotifier(options: NotifierOptions): Notifier {
  const queues = options.sinks.map((sink) => new SinkQueue(sink, options));
  return {
    emit: (event) => {
      for (const queue of queues) queue.add(event);
    },
    close: async (graceMs) => {
      const left = await Promise.all(queues.map((queue) => queue.close(graceMs)));
      return left.filter(({ lost }) => lost > 0);
    },
  };
}

class SinkQueue {
  readonly #sink: Sink;
  readonly #options: NotifierOptions;
  /** Aborts the waits of the back-off, so that closing tries again at once. */
  readonly #closing = new AbortController();
  /** Aborts everything: the grace is over. */
  readonly #over = new AbortController();
  #waiting: readonly GuardianEvent[] = [];
  /** Ends the wait for the sink's rate limit: what came may be allowed to go. */
  #wake = new AbortController();
  #worker: Promise<void> | undefined;
  #graceMs = Number.POSITIVE_INFINITY;
  #delivered = 0;
  /** Events that have let others pass, and how many had been delivered by then. */
  readonly #passed = new WeakMap<GuardianEvent, number>();
  #lost = 0;

  constructor(sink: Sink, options: NotifierOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  add(event: GuardianEvent): void {
    if (this.#closing.signal.aborted) {
      this.#count('dropped');
      return;
    }
    const { waiting, merged, dropped } = enqueue(this.#waiting, event, {
      max: this.#options.maxWaiting ?? 100,
      maxBytes: this.#options.maxWaitingBytes ?? 256 * 1024,
      coalesce: this.#sink.coalesces ?? false,
    });
    this.#waiting = waiting;
    if (merged > 0) this.#count('merged', merged);
    if (dropped > 0) this.#count('dropped', dropped);
    this.#wake.abort();
    this.#worker ??= this.#work();
  }

  async close(graceMs: number): Promise<{ sink: string; lost: number }> {
    this.#graceMs = graceMs;
    this.#closing.abort();
    this.#wake.abort();
    const timer = setTimeout(() => this.#end(), graceMs);
    await this.#worker;
    clearTimeout(timer);
    if (this.#lost > 0) this.#count('dropped', this.#lost);
    return { sink: this.#sink.name, lost: this.#lost };
  }

  async #work(): Promise<void> {
    await setImmediate(); // who emits is in the middle of a tick: connecting waits until that is over
    while (this.#waiting.length > 0) {
      const next = this.#next();
      if (typeof next === 'object') await this.#tell(next);
      else await this.#rest(next);
    }
    this.#worker = undefined;
  }

  /** The first event that may go, taken off the queue; or how long until one may. */
  #next(): GuardianEvent | number {
    let waitMs = MAX_TIMER_MS;
    for (const [i, event] of this.#waiting.entries()) {
      const holdMs = this.#closing.signal.aborted ? 0 : (this.#sink.permit?.(event) ?? 0);
      if (holdMs <= 0) {
        this.#waiting = this.#waiting.toSpliced(i, 1);
        return event;
      }
      waitMs = Math.min(waitMs, holdMs);
    }
    return waitMs;
  }

  /** Waits for the sink's rate limit, until more comes or until the end. */
  async #rest(waitMs: number): Promise<void> {
    this.#wake = new AbortController();
    await sleep(waitMs, undefined, { signal: this.#wake.signal, ref: false }).catch(() => {});
  }

  async #tell(event: GuardianEvent): Promise<void> {
    let delivered = false;
    let troubled = false;
    let failures = 0;
    /** The last failure after which others, which wait behind it, come first. */
    let givesWay: SpillwayError | undefined;
    const attempt = async () => {
      await this.#attempt(event).catch((error: unknown) => {
        const most = this.#closing.signal.aborted ? GIVE_WAY_AFTER.closing : GIVE_WAY_AFTER.open;
        if (isPermanent(error) || ++failures < most || this.#waiting.length === 0) throw error;
        givesWay = new SpillwayError('sink', messageOf(error), { retryable: false, cause: error });
        throw givesWay;
      });
      delivered = true; // known here: the retry below reports an abort even when the last attempt went well
    };
    const onRetry = (error: Error) => {
      this.#count('retried');
      if (!troubled) this.#problem(`${error.message}; retrying`, error);
      troubled = true;
      // who is asked not to come back in time has nothing to stay for
      if (error instanceof SpillwayError && (error.retryAfterMs ?? 0) > this.#graceMs) this.#end();
    };
    const phases = [
      { signal: this.#closing.signal, firstWaitMs: this.#options.firstWaitMs ?? 1000 },
      { signal: this.#over.signal, firstWaitMs: CLOSING_WAIT_MS },
    ];
    for (const phase of phases) {
      if (delivered) break;
      try {
        await this.#options.retry(attempt, { ...phase, maxWaitMs: this.#sink.maxWaitMs, onRetry });
      } catch (error) {
        if (givesWay && error === givesWay) return this.#letPass(event, givesWay);
        if (delivered || (phase.signal.aborted && !isPermanent(error))) continue;
        this.#problem(`event ${event.id} is dropped: ${messageOf(error)}`, error);
        this.#count('rejected');
        return;
      }
    }
    if (delivered) {
      this.#delivered++;
      this.#count('delivered');
    } else this.#lost++;
  }

  /** Goes behind the others. One that fails again while others are taken is the problem itself, and is dropped. */
  #letPass(event: GuardianEvent, error: SpillwayError): void {
    const before = this.#passed.get(event);
    if (before !== undefined && this.#delivered > before) {
      this.#problem(`event ${event.id} is dropped, the next ones are sent: ${error.message}`, error);
      this.#count('rejected');
      return;
    }
    this.#passed.set(event, before ?? this.#delivered);
    this.#waiting = [...this.#waiting, event];
  }

  /** One attempt within its time limit, also for a sink that does not look at its signal. */
  async #attempt(event: GuardianEvent): Promise<void> {
    const limitMs = this.#options.attemptMs ?? 10_000;
    const control = new AbortController();
    const { signal } = control;
    const ended = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const onOver = () => control.abort(this.#over.signal.reason);
    const onLimit = () =>
      control.abort(new SpillwayError('sink', `no answer within ${formatSeconds(limitMs / 1000)}`));
    const timer = setTimeout(onLimit, limitMs);
    this.#over.signal.addEventListener('abort', onOver, { once: true });
    try {
      await Promise.race([this.#sink.deliver(event, signal), ended]);
    } finally {
      clearTimeout(timer);
      this.#over.signal.removeEventListener('abort', onOver);
    }
  }

  #end(): void {
    this.#over.abort(new SpillwayError('sink', 'the time to shut down is over'));
  }

  #problem(message: string, error: unknown): void {
    const hint = error instanceof SpillwayError ? error.hint : undefined;
    this.#options.onProblem?.(this.#sink.name, hint === undefined ? message : `${message}. ${hint}`);
  }

  #count(result: DeliveryResult, n = 1): void {
    this.#options.onResult(this.#sink.name, result, n);
  }
}
