import type { HookState } from '../core/model/hook-messages.ts';
import type { Level } from '../core/model/status.ts';
import type { Situation } from '../core/ports/ports.ts';
import { atLeast } from '../core/pressure/level.ts';
import type { RuntimeConnection } from './runtime-connection.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';

const EVERY_MS = 250;
/** So that counting takes at most 1 % of a core, or 10 % for the seconds in which somebody waits for the work to end. */
const COST_FACTOR = 100;
const ASKED_COST_FACTOR = 10;
/** For the hook to say it; a loop that is blocked for longer has something in flight. */
const HOOK_MS = 200;
/** A limit this near at the warning level: what has ended may have left garbage that is needed. */
const NEAR_SECONDS = 15;

/** Watches how many requests the agent has in flight, while that matters. */
export class InFlightMonitor {
  #inFlight: number | null = null;
  #endsAtMs: number | null = null;
  #near = false;
  #level: Level = 'ok';

  readonly #context: SessionContext;
  readonly #connection: RuntimeConnection;
  readonly #connections: SessionDeps['connections'];
  readonly #clock: SessionDeps['clock'];
  readonly #hooks: SessionDeps['hooks'];
  #counting: Promise<number | null> | undefined;
  #seenMs = Number.NEGATIVE_INFINITY;
  /** What the last count came to and cost. */
  #last: { count: number | null; costMs: number; endMs: number } = {
    count: null,
    costMs: 0,
    endMs: Number.NEGATIVE_INFINITY,
  };

  constructor(
    present: SessionContext,
    hand: RuntimeConnection,
    { connections, clock, hooks }: Pick<SessionDeps, 'connections' | 'clock' | 'hooks'>,
  ) {
    this.#context = present;
    this.#connection = hand;
    this.#connections = connections;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  /** As last seen under pressure; `null` is not known. */
  get inFlight(): number | null {
    return this.#inFlight;
  }

  /** In how many seconds all of it has ended, as far as the hook tells; `null` where none does. */
  get endsInSeconds(): number | null {
    return this.#endsAtMs === null ? null : Math.max(0, this.#endsAtMs - this.#clock.now()) / 1000;
  }

  /** The same while shedding, or with the limit near: whether work has ended decides on a collection there alone. */
  get whileNear(): number | null {
    return this.#near ? this.#inFlight : null;
  }

  /** The count that is running. */
  get counting(): Promise<unknown> | undefined {
    return this.#counting;
  }

  attend({ nowMs, level, outlook, ready }: Situation): void {
    const soon = outlook.secondsToLimit !== null && outlook.secondsToLimit <= NEAR_SECONDS;
    this.#near = atLeast(level, soon ? 'warning' : 'shedding');
    if (!atLeast(level, 'warning')) {
      this.#inFlight = null;
      this.#endsAtMs = null;
      this.#level = level;
      return;
    }
    // what is in flight as a level is entered tells most: soon after it may have been refused
    const entered = level !== this.#level;
    this.#level = level;
    // un-ready, readiness and a recycle wait for it to end
    const factor = ready ? COST_FACTOR : ASKED_COST_FACTOR;
    if (!entered && nowMs - this.#seenMs < Math.max(EVERY_MS, factor * this.#last.costMs)) return;
    this.#seenMs = nowMs;
    void this.count();
  }

  /**
   * Requests in flight now; `null` where that is unknown. Never rejects; a caller meanwhile, or too soon for what a count
   * costs, gets the same answer.
   */
  async count(): Promise<number | null> {
    const { count, costMs, endMs } = this.#last;
    if (!this.#counting && this.#clock.now() - endMs < ASKED_COST_FACTOR * costMs) return count;
    this.#counting ??= this.#count().finally(() => {
      this.#counting = undefined;
    });
    return await this.#counting;
  }

  async #count(): Promise<number | null> {
    const { agent, latest } = this.#context;
    const { pid } = agent.info;
    const others = latest?.pids.filter((each) => each !== pid) ?? [];
    const told = await this.#told([pid, ...others]);
    this.#endsAtMs = told && this.#clock.now() + told.endsInMs;
    if (told) {
      this.#last = { count: told.inFlight, costMs: 0, endMs: this.#clock.now() };
      this.#inFlight = told.inFlight;
      return told.inFlight;
    }
    const { client } = this.#connection;
    const leaveOut = client?.inspectorPort ? [client.inspectorPort] : [];
    const seen = await this.#connections([pid, ...others], leaveOut).catch(() => null);
    let count = seen?.total ?? null;
    // a connection may be kept open with no request on it: that only the runtime knows, and of its own process alone
    // one that was let go meanwhile is not to be opened again for this
    const asks = !this.#context.ended && !this.#connection.occupied && this.#connection.client === client;
    if (seen && count && client?.inFlight && asks) {
      const accepted = seen.accepted.get(this.#connection.pid ?? agent.worker.pid) ?? 0;
      const inside = await client.inFlight().catch(() => null);
      if (inside !== null) count += inside - accepted;
    }
    this.#last = { count, costMs: seen?.costMs ?? 0, endMs: this.#clock.now() };
    this.#inFlight = count;
    return count;
  }

  /** As the hooks of the processes that serve say it; `null` where there are none, or one of them does not answer. */
  async #told(pids: readonly number[]): Promise<Pick<HookState, 'inFlight' | 'endsInMs'> | null> {
    const hooks = pids.flatMap((pid) => this.#hooks.of(pid) ?? []);
    if (hooks.length === 0) return null;
    const states = await Promise.all(hooks.map((hook) => hook.ask(HOOK_MS))).catch(() => []);
    const serving = states.filter(({ servers }) => servers > 0);
    if (serving.length === 0) return null;
    return {
      inFlight: serving.reduce((sum, { inFlight }) => sum + inFlight, 0),
      endsInMs: Math.max(...serving.map(({ endsInMs }) => endsInMs)),
    };
  }
}
