import type { Clock } from '../ports/ports.ts';
import type { GateMemory } from './gate/memory-room.ts';
import { ProxyGate } from './gate/proxy-gate.ts';

export interface HeldAdmissionDeps {
  clock: Pick<Clock, 'now' | 'setTimer'>;
  /** Memory now; `null` where it is not known. */
  memory(): GateMemory | null;
  /** Requests in the agent; `null` where that is not known. Never rejects. */
  inFlight(): Promise<number | null>;
  /** When to come again, in seconds, while nothing is admitted whatever memory does; else `null`. */
  closedSeconds(): number | null;
}

/** One that waits to be admitted. */
export interface Held {
  weight: number;
  maxWaitMs: number;
  /** Called once, unless it leaves before. */
  answer(admitted: boolean, retryAfterSeconds: number): void;
}

const OBSERVE_EVERY_MS = 50;
/** The hooks say it as often; where connections have to be counted, that bounds itself by its cost. */
const COUNT_EVERY_MS = 100;
/** A connection to the guardian, its request and its answer. */
const HELD_BYTES = 16 * 1024;

/** Holds the answers to a proxy back until memory has room for its requests. */
export class HeldAdmission {
  readonly #deps: HeldAdmissionDeps;
  readonly #gate = new ProxyGate();
  #inFlight: number | null = null;
  #countedMs = Number.NEGATIVE_INFINITY;
  #timer: { cancel(): void } | undefined;

  constructor(deps: HeldAdmissionDeps) {
    this.#deps = deps;
  }

  /** Returns how to leave. */
  wait({ weight, maxWaitMs, answer }: Held): () => void {
    const { clock } = this.#deps;
    this.#observe();
    const entry = this.#gate.enter(
      {
        ...{ kind: 'any', weight, maxWaitMs, heldBytes: HELD_BYTES },
        admit: () => answer(true, 0),
        refuse: (seconds) => answer(false, seconds),
      },
      clock.now(),
    );
    if (entry.state !== 'waiting') answer(entry.state === 'running', entry.retryAfterSeconds);
    this.#watch();
    return () => this.#gate.leave(entry, clock.now());
  }

  #observe(): void {
    const { clock, memory, closedSeconds } = this.#deps;
    this.#count();
    this.#gate.drain(closedSeconds());
    this.#gate.observe(memory(), this.#inFlight, clock.now());
  }

  #count(): void {
    const { clock, inFlight } = this.#deps;
    if (!this.#gate.busy || clock.now() - this.#countedMs < COUNT_EVERY_MS) return;
    this.#countedMs = clock.now();
    void inFlight().then((count) => {
      this.#inFlight = count;
    });
  }

  /** Looks at memory while somebody waits or runs. */
  #watch(): void {
    if (this.#timer || !this.#gate.busy) return;
    this.#timer = this.#deps.clock.setTimer(() => {
      this.#timer = undefined;
      this.#observe();
      this.#watch();
    }, OBSERVE_EVERY_MS);
  }
}
