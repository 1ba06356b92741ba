import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { MAX_WEIGHT } from '../../core/pressure/admission.ts';
import type { GateEntry } from '../../core/pressure/gate/entry.ts';
import { Gate } from '../../core/pressure/gate/gate.ts';
import type { GateMemory } from '../../core/pressure/gate/memory-room.ts';
import type { Pressure } from '../pressure.ts';
import { type MemorySource, memorySourceOf } from './memory-source.ts';

/** Work before the gate of a pressure. One of the two is called, once, unless it leaves before. */
export interface Work {
  kind: string;
  weight?: number | undefined;
  /** Bytes that are held back while it waits. */
  heldBytes: number;
  maxWaitMs?: number | undefined;
  /** The request it is, which comes through once. */
  request?: object;
  /** It may start, at once where it need not wait. Work that it brings here is part of it. */
  begin(leave: () => void): void;
  refuse(retryAfterSeconds: number): void;
}

/** What asynchronous contexts hold of work, and may hold for long: nothing, once it has left. */
interface Place {
  entry: GateEntry | undefined;
}

const OBSERVE_EVERY_MS = 50;
/** Who comes is judged by memory no older than this. */
const FRESH_MS = 20;

/** The gate of one pressure, for all that share it. Throws nothing of its own, and keeps no process alive. */
export class PressureGate {
  readonly #gate = new Gate();
  readonly #memory: MemorySource;
  /** What the present asynchronous context is part of. */
  readonly #current = new AsyncLocalStorage<Place>();
  readonly #requests = new WeakMap<object, Place>();
  /** The timer belongs to no request: it would hold that one's context. */
  readonly #scope = new AsyncResource('SpillwayGate', { requireManualDestroy: true });
  #observed: { atMs: number; memory: GateMemory | null } = { atMs: Number.NEGATIVE_INFINITY, memory: null };
  #timer: NodeJS.Timeout | undefined;

  constructor(pressure: Pressure) {
    this.#memory = memorySourceOf(pressure);
  }

  /** Returns how to leave: once it has ended, or waits no more. */
  enter(work: Work): () => void {
    const { kind, heldBytes, request } = work;
    const now = performance.now();
    const memory = this.#memory(now);
    if (memory !== this.#observed.memory || now - this.#observed.atMs >= FRESH_MS) this.#observe(now, memory);
    const place: Place = { entry: undefined };
    let scope: AsyncResource | undefined;
    const later = (then: () => void) =>
      // after what runs now, so that neither gets in the other's way; it may have left meanwhile
      void setImmediate(() => place.entry && scope?.runInAsyncScope(then));
    const leave = () => this.#leave(place);
    const begin = () => this.#current.run(place, () => work.begin(leave));
    const entry = this.#gate.enter(
      {
        ...{ kind, heldBytes, within: this.#current.getStore()?.entry },
        ...{ weight: weightOf(work.weight), maxWaitMs: waitOf(work.maxWaitMs) },
        admit: () => later(begin),
        refuse: (seconds) => later(() => this.#refuse(place, work, seconds)),
      },
      now,
    );
    place.entry = entry;
    if (request) this.#requests.set(request, place);
    if (entry.state === 'refused') this.#refuse(place, work, entry.retryAfterSeconds);
    else {
      this.#watch();
      if (entry.state === 'running') begin();
      else scope = new AsyncResource('SpillwayWork');
    }
    return leave;
  }

  /** Continues a request that has come through already; `false` where it has not. */
  continue(request: object, work: () => void): boolean {
    const place = this.#requests.get(request);
    if (place) this.#current.run(place, work);
    return place !== undefined;
  }

  #refuse(place: Place, work: Work, retryAfterSeconds: number): void {
    this.#leave(place);
    work.refuse(retryAfterSeconds);
  }

  #leave(place: Place): void {
    const { entry } = place;
    if (!entry) return;
    place.entry = undefined;
    this.#gate.leave(entry, performance.now());
    this.#watch();
  }

  #observe(nowMs: number, memory: GateMemory | null): void {
    this.#observed = { atMs: nowMs, memory };
    this.#gate.observe(memory, nowMs);
  }

  /** Looks at memory while something runs or waits. */
  #watch(): void {
    if (this.#gate.inFlight + this.#gate.waiting === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#timer ??= this.#scope.runInAsyncScope(() =>
      setInterval(() => this.#tick(), OBSERVE_EVERY_MS).unref(),
    );
  }

  #tick(): void {
    const now = performance.now();
    this.#observe(now, this.#memory(now));
    this.#watch();
  }
}

type Gates = WeakMap<object, PressureGate>;
const GATES = Symbol.for('spillway.gates');

/** The one gate of this pressure, whichever copy of the library asks: ESM and CommonJS may both be in the process. */
export function gateOf(pressure: Pressure): PressureGate {
  const shared = globalThis as { [GATES]?: Gates };
  if (!shared[GATES]) Object.defineProperty(shared, GATES, { value: new WeakMap() satisfies Gates });
  const gates = shared[GATES];
  // what is none has a gate of its own, which knows of no memory and is open
  const key: Pressure = Object(pressure);
  let gate = gates?.get(key);
  if (!gate) {
    gate = new PressureGate(key);
    gates?.set(key, gate);
  }
  return gate;
}

function weightOf(weight: unknown): number {
  return typeof weight === 'number' && weight > 0 ? Math.min(weight, MAX_WEIGHT) : 1;
}

function waitOf(ms: unknown): number | undefined {
  return typeof ms === 'number' && ms >= 0 ? ms : undefined;
}
