import { AT_ONCE, type Retry, retryLater } from '../core/lib/backoff.ts';
import { SpillwayError } from '../core/lib/errors.ts';
import type { AgentProcess, Clock } from '../core/ports/ports.ts';
import type { RuntimeClient } from '../core/ports/runtime-client.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';
import { within } from './waiting.ts';

/** Letting a runtime go takes two seconds at most. */
const RELEASE_MS = 2200;
/** A refusal that may pass, and what was late, are tried again soon, others ever more rarely: a blocked loop turns at some time. */
const RETRY_MS = {
  retryable: { first: 100, longest: 10_000 },
  timeout: { first: 250, longest: 60_000 },
  refused: { first: 30_000, longest: 600_000 },
};

/** the connection to the agent's runtime: opened when it is needed, kept, and let go. */
export class RuntimeConnection {
  readonly #context: SessionContext;
  readonly #connect: SessionDeps['connect'];
  readonly #clock: Clock;
  #client: RuntimeClient | undefined;
  #worker: AgentProcess['worker'] | undefined;
  /** Let go, or being let go. */
  #left: RuntimeClient | undefined;
  #occupied = false;
  /** Of the process that refused, not of the agent: another one below it may be open. */
  #refusals = { pid: 0, retry: AT_ONCE };
  readonly #maySignal: () => boolean;

  constructor(
    context: SessionContext,
    { connect, clock }: Pick<SessionDeps, 'connect' | 'clock'>,
    maySignal: () => boolean,
  ) {
    this.#context = context;
    this.#connect = connect;
    this.#clock = clock;
    this.#maySignal = maySignal;
  }

  /** The open connection. */
  get client(): RuntimeClient | undefined {
    return this.#client;
  }

  /** The process that it leads into. */
  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  /** Something that may take long is running: what asks the runtime meanwhile would wait for it. */
  get occupied(): boolean {
    return this.#occupied;
  }

  /** From when on the next try makes sense, in monotonic milliseconds. */
  get retryMs(): number {
    return this.#retryOf(this.#context.agent.worker.pid).fromMs;
  }

  /**
   * The connection, rebuilt when another process has become the one that matters.
   * @throws SpillwayError
   * @throws SpillwayError `unavailable` when this life is over
   */
  async open(): Promise<RuntimeClient> {
    this.#context.check();
    const { worker } = this.#context.agent;
    if (this.#client && this.#worker?.pid === worker.pid) return this.#client;
    const before = this.#client;
    this.#client = undefined;
    // first: the next process would find the port of the one before in use
    if (before) await within(this.#clock, RELEASE_MS, before.release());
    const client = await this.#connect(worker, this.#maySignal);
    this.#context.check();
    if (typeof client === 'string') throw new SpillwayError('refused', client);
    this.#worker = worker;
    this.#client = client;
    return client;
  }

  /** Never throws. */
  async letGo(): Promise<void> {
    // the end of the guardian may come while it is being let go: then that is waited for
    this.#left = this.#client ?? this.#left;
    this.#client = undefined;
    await within(this.#clock, RELEASE_MS, this.#left?.release());
  }

  /** Until this ends, the runtime is occupied. */
  async occupy<T>(work: Promise<T>): Promise<T> {
    this.#occupied = true;
    try {
      return await work;
    } finally {
      this.#occupied = false;
    }
  }

  answered(): void {
    this.#refusals = { pid: 0, retry: AT_ONCE };
  }

  /** It is tried again the later the more often it failed. Returns how often that was since the last answer. */
  refused({ code, retryable }: SpillwayError): number {
    const { pid } = this.#context.agent.worker;
    const backoff = retryable ? RETRY_MS.retryable : code === 'timeout' ? RETRY_MS.timeout : RETRY_MS.refused;
    const retry = retryLater(this.#retryOf(pid), backoff, this.#clock.now());
    this.#refusals = { pid, retry };
    return retry.failures;
  }

  #retryOf(pid: number): Retry {
    return this.#refusals.pid === pid ? this.#refusals.retry : AT_ONCE;
  }
}
