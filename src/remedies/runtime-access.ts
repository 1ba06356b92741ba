import { memoryLimitedBy, memoryRatio } from '../core/model/reading.ts';
import { type Access, accessAt, isForeseen } from '../core/pressure/access.ts';
import { atLeast, withoutHold } from '../core/pressure/level.ts';
import type { HeapMonitor } from './heap-monitor.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';

/** Where only an open inspector would do and there is none, it is looked for so often. */
const LOOK_FOR_OPEN_MS = 5000;
/** What was opened stays for the hold of a worse level, but no longer than this: a hold may be an hour. */
const STAYS_MS = 10_000;

/** Whether the agent's runtime is to be asked now, and how far the guardian may go for that. */
export class RuntimeAccess {
  readonly #context: SessionContext;
  readonly #heap: HeapMonitor;
  readonly #deps: SessionDeps;
  #deferredUntilMs = Number.NEGATIVE_INFINITY;
  /** When a signal was last allowed by the level. */
  #signalMs = Number.NEGATIVE_INFINITY;
  #granted = false;

  constructor(context: SessionContext, heap: HeapMonitor, deps: SessionDeps) {
    this.#context = context;
    this.#heap = heap;
    this.#deps = deps;
  }

  /** Whether a signal may open the inspector now: the level allows it, or what is being done. */
  get maySignal(): boolean {
    return this.#granted || this.now === 'signal';
  }

  /** Does something for which a signal is allowed whatever the level: a client has asked for it, or the heap's limit is near. */
  async granted<T>(work: () => Promise<T>): Promise<T> {
    this.#granted = true;
    try {
      return await work();
    } finally {
      this.#granted = false;
    }
  }

  get now(): Access {
    // full above the shed ratio of its own limit, perhaps with garbage: what may turn work away in a second
    if (this.#heap.unconfirmed) return 'signal';
    const { latest } = this.#context;
    if (!latest) return 'none';
    // V8 gives up within seconds, by its own word and not by a guess from outside
    const { reading, outlook } = latest;
    const level = withoutHold(latest.level, memoryRatio(reading), this.#deps.options);
    const heapEnds = memoryLimitedBy(reading) === 'heap' && isForeseen(outlook.secondsToLimit);
    if (heapEnds && atLeast(level, 'warning')) return 'signal';
    // the gate goes by the heap's own limit, too, which may be near while the container's is not
    return this.requestsWait && !atLeast(level, 'warning') ? 'open' : accessAt(level);
  }

  /** As the hook tells, by which the runtime is reached: no port is opened for that. */
  get requestsWait(): boolean {
    const { hooks } = this.#deps;
    return (hooks.of(this.#context.agent.worker.pid)?.state?.waiting ?? 0) > 0;
  }

  /**
   * Why the runtime is to be asked now; `null` when there is no need, or no connection that is allowed.
   * @param opened it is open because the guardian opened it
   */
  reason(opened: boolean): 'pressure' | 'heap' | null {
    const { gc, profile } = this.#deps.options;
    if (gc === 'off' && profile === 'off') return null;
    const access = this.now;
    if (access === 'signal') {
      this.#signalMs = this.#deps.clock.now();
      return 'pressure';
    }
    if (this.#heap.due) return 'heap';
    if (access === 'none') return null;
    if (opened) return this.#stays ? 'pressure' : null;
    return this.#deps.clock.now() < this.#deferredUntilMs ? null : 'pressure';
  }

  /** There is a connection, by a signal, which is kept for a more serious moment. */
  deferred(): void {
    this.#deferredUntilMs = this.#deps.clock.now() + LOOK_FOR_OPEN_MS;
  }

  /**
   * What the guardian has opened is kept open for the warning level only while the hold of a worse one lasts or a kill is
   * foreseen: what was refused comes back all at once, and to open it again took a third of a second, in which an agent
   * grew from 80 % of its limit to its end.
   */
  get #stays(): boolean {
    const { latest } = this.#context;
    if (!latest || latest.nowMs - this.#signalMs > STAYS_MS) return false;
    return atLeast(latest.level, 'shedding') || isForeseen(latest.outlook.secondsToLimit);
  }
}
