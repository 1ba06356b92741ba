import { AsyncResource } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { GuardianMessage, HookState } from '../../core/model/hook-messages.ts';
import type { GateEntry, GateRequest } from '../../core/pressure/gate/entry.ts';
import { Gate } from '../../core/pressure/gate/gate.ts';
import { markGated, type ServerGate } from '../gate/gated-requests.ts';
import { AdmittedRate } from './admitted-rate.ts';
import { AgentMemory } from './agent-memory.ts';
import { type Arrival, arrivalOf, identityOf, READ_AHEAD_BYTES, tunnelOf } from './arrival.ts';
import { isProbe, kindOf } from './exempt.ts';
import { GuardianWatch } from './guardian-watch.ts';
import { OwnSockets } from './own-sockets.ts';
import { every, nowMs, quietly, soon, type Waiting } from './quiet.ts';

export type ServerState = Pick<
  HookState,
  'inFlight' | 'waiting' | 'waitMs' | 'refused' | 'servers' | 'admittedPerSecond'
>;

/** Socket, request and answer of one that waits. */
const WAITING_BYTES = 32 * 1024;
const OBSERVE_EVERY_MS = 50;
/** Between two looks at memory because of arrivals. */
const OBSERVE_AGAIN_MS = 10;
/** What is only fetched and takes longer is a stream of events or a long poll: what it waits for must not wait for its end. */
const FETCH_LASTING_MS = 2000;
/** Above the critical ratio nobody waits for longer: the next request may bring the kill. */
const CRITICAL_WAIT_MS = 3000;

type Emit = EventEmitter['emit'];

/** A connection as `net.server.socket` gives it. */
export type Accepted = Socket & { readonly server?: EventEmitter | undefined };

/**
 * Hands the requests of this process' HTTP servers through the gate: a server's `emit` is replaced by one that holds back what
 * the gate does not admit yet. The agent's own listeners, and what others have wrapped around them, see no difference. What
 * goes wrong here opens the gate for good.
 */
export class Servers {
  readonly #changed: (waits: boolean) => void;
  readonly #gate = new Gate();
  readonly #memory = new AgentMemory();
  readonly #own = new OwnSockets();
  /** Servers whose events come through here. */
  readonly #wrapped = new WeakSet<object>();
  /** Those that have come: HTTP/2 has two events for each, and agents hand on to a server what came to another. */
  readonly #seen = new WeakSet<object>();
  /** Those that have had a request. */
  #count = 0;
  /** WebSockets, other tunnels, and connections of other protocols: they pass the gate, and are work all the same. */
  #tunnels = 0;
  readonly #rate = new AdmittedRate(() => this.#changed(this.#gate.waiting > 0));
  #mode: 'auto' | 'off' = 'off';
  #exempt: readonly string[] = [];
  readonly #guardian = new GuardianWatch();
  #observedMs = Number.NEGATIVE_INFINITY;
  #timer: Waiting | undefined;
  #broken = false;
  readonly #serverGate: ServerGate = { answers: false };

  /** @param changed is called when a request has begun, has ended, or waits */
  constructor(changed: (waits: boolean) => void) {
    this.#changed = changed;
    this.#own.watch();
  }

  /** A server has accepted a connection: it is given to it before any request on it is read. */
  accepted(server: unknown): void {
    if (typeof server !== 'object' || server === null || this.#wrapped.has(server)) return;
    this.#wrapped.add(server);
    this.#wrap(server as EventEmitter);
  }

  /** A server has accepted this connection. */
  connected(socket: Accepted): void {
    const { server } = socket;
    this.accepted(server);
    // what speaks something else than HTTP, over TCP: nobody here knows its requests
    const isOther = server?.listenerCount('request') === 0 && server.listenerCount('stream') === 0;
    if (isOther && socket.remoteAddress !== undefined)
      this.#follow((listener) => socket.once('close', listener));
  }

  /** What the guardian says: its greeting, the memory, and whether new work is admitted. */
  hear(message: GuardianMessage): void {
    this.#guardian.hear(nowMs());
    if (message.type === 'hello') {
      this.#mode = message.gate;
      this.#exempt = message.exempt;
    } else if (message.type === 'memory') {
      this.#memory.hear(message);
      this.#observe();
    } else if (message.type === 'draining') this.#gate.drain(message.retryAfterSeconds);
    else if (message.type === 'admitting') this.#gate.drain(null);
  }

  /** The guardian is gone: for a while the gate goes by what it said last. */
  closed(): void {
    this.#gate.drain(null);
  }

  state(): ServerState {
    const { inFlight, waiting, refused } = this.#gate;
    // what is no longer counted must not look as if nothing was in flight
    const servers = this.#broken ? 0 : this.#count;
    const all = inFlight + this.#tunnels;
    const waitMs = waiting > 0 ? Math.round(this.#gate.waitMs(nowMs())) : 0;
    return { inFlight: all, waiting, waitMs, refused, servers, admittedPerSecond: this.#rate.perSecond };
  }

  /** Until all in flight have ended, as such requests tell, in milliseconds. */
  get endsInMs(): number {
    return Math.round(this.#gate.endsInMs(nowMs()));
  }

  #wrap(server: EventEmitter): void {
    const own = Object.hasOwn(server, 'emit') ? server.emit : undefined;
    let served = false;
    const hold = (args: Parameters<Emit>, pass: () => void): boolean => {
      const arrival = this.#arrivalOf(args);
      if (!arrival) return false;
      if (!served) this.#count++;
      served = true;
      return this.#holds(arrival, pass);
    };
    const emit = function emit(this: EventEmitter, ...args: Parameters<Emit>): boolean {
      // looked up now: others may have wrapped the prototype's since
      const inner = own ?? (Object.getPrototypeOf(server) as EventEmitter).emit;
      return hold(args, () => inner.apply(this, args)) || inner.apply(this, args);
    };
    Object.defineProperty(server, 'emit', { value: emit, writable: true, configurable: true });
    markGated(server, this.#serverGate);
  }

  /** The request that an event is about, where it has not come with another event before. */
  #arrivalOf([event, first, second]: Parameters<Emit>): Arrival | undefined {
    if (this.#broken) return undefined;
    try {
      const arrival = arrivalOf(event, first, second);
      const tunnel = tunnelOf(event, first, second);
      if (!arrival && !tunnel) return undefined;
      const identity = tunnel ?? identityOf(event, first);
      if (this.#seen.has(identity)) return undefined;
      this.#seen.add(identity);
      if (tunnel) this.#follow((listener) => tunnel.once('close', listener));
      return arrival;
    } catch {
      this.#open();
      return undefined;
    }
  }

  /** Whether it waits, or was refused; `pass` hands it to the agent later. */
  #holds(arrival: Arrival, pass: () => void): boolean {
    try {
      return this.#enters(arrival, pass);
    } catch {
      this.#open();
      return false;
    }
  }

  #enters(arrival: Arrival, pass: () => void): boolean {
    // what this process asks of itself is part of what it has in flight: held back, that would wait for ever
    if (isProbe(arrival, this.#exempt) || this.#own.isOther(arrival.socket)) {
      this.#tell(); // the first one may be the server's first: from then on it is known what is in flight
      return false;
    }
    if (arrival.method === 'CONNECT') {
      this.#follow((listener) => arrival.onClose(listener)); // a tunnel, such as a WebSocket over HTTP/2
      return false;
    }
    const now = nowMs();
    if (now - this.#observedMs >= OBSERVE_AGAIN_MS) this.#observe();
    const passage = new Passage(arrival, pass, this.#admits);
    const entry = this.#gate.enter(passage, now);
    if (entry.state === 'refused') arrival.refuse(entry.retryAfterSeconds);
    else {
      // first: where it fails nothing waits, and the agent gets the request once
      arrival.onClose(() => this.#left(entry));
      if (entry.state === 'running') this.#rate.add();
      else passage.hold(entry);
    }
    this.#tell();
    return entry.state !== 'running';
  }

  /** A tunnel is open from here on. */
  #follow(onClose: (listener: () => void) => void): void {
    onClose(() =>
      quietly(() => {
        this.#tunnels--;
        this.#tell();
      }),
    );
    this.#tunnels++;
    this.#tell();
  }

  readonly #admits = () => this.#rate.add();

  /** Called by the agent's own response: nothing that is made here may belong to its asynchronous context. */
  #left(entry: GateEntry): void {
    try {
      this.#gate.leave(entry, nowMs());
      this.#tell();
    } catch {
      this.#open();
    }
  }

  /** Looks at memory while that matters. */
  #observe(): void {
    const now = nowMs();
    this.#observedMs = now;
    if (this.#guardian.isSilent(now)) this.#gate.drain(null);
    const isOff = this.#mode === 'off' || this.#guardian.isHung(now, this.#gate.waiting > 0);
    const memory = isOff ? null : this.#memory.now();
    this.#serverGate.answers = memory !== null;
    this.#gate.observe(memory, now);
  }

  #tell(): void {
    const { inFlight, waiting } = this.#gate;
    this.#changed(waiting > 0);
    // it goes on until it finds nothing: with each short request a timer would come and go
    if (inFlight + waiting > 0) this.#timer ??= every(OBSERVE_EVERY_MS, () => this.#look());
  }

  #look(): void {
    this.#observe();
    if (this.#gate.inFlight + this.#gate.waiting === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    this.#changed(this.#gate.waiting > 0);
  }

  /** Something went wrong here: everybody is admitted from now on. */
  #open(): void {
    this.#broken = true;
    quietly(() => this.#gate.observe(null, nowMs()));
  }
}

/** A request on its way through the gate. */
class Passage implements GateRequest {
  readonly kind: string;
  readonly criticalWaitMs = CRITICAL_WAIT_MS;
  readonly heldBytes: number;
  readonly lastingMs: number | undefined;
  readonly maxWaitMs: number | undefined;
  readonly #arrival: Arrival;
  readonly #pass: () => void;
  readonly #admitted: () => void;
  #waits: { entry: GateEntry; scope: AsyncResource; unguard: () => void } | undefined;

  constructor(arrival: Arrival, pass: () => void, admitted: () => void) {
    this.kind = kindOf(arrival.method, arrival.path);
    this.lastingMs = arrival.method === 'GET' ? FETCH_LASTING_MS : undefined;
    this.heldBytes = WAITING_BYTES + Math.min(READ_AHEAD_BYTES, arrival.bodyBytes);
    this.maxWaitMs = arrival.maxWaitMs;
    this.#arrival = arrival;
    this.#pass = pass;
    this.#admitted = admitted;
  }

  /** It waits, in the asynchronous context in which it came. */
  hold(entry: GateEntry): void {
    this.#waits = { entry, scope: new AsyncResource('SpillwayGate'), unguard: this.#arrival.guard() };
  }

  admit(): void {
    this.#admitted();
    this.#release(this.#pass);
  }

  refuse(retryAfterSeconds: number): void {
    this.#release(() => quietly(() => this.#arrival.refuse(retryAfterSeconds)));
  }

  /** Its turn has come: after what runs now, so that neither gets in the other's way. */
  #release(work: () => void): void {
    const waits = this.#waits;
    if (!waits) return;
    soon(() => {
      waits.unguard();
      // what the agent throws there is its own, as it would have been without waiting
      if (waits.entry.state !== 'left') waits.scope.runInAsyncScope(work);
    });
  }
}
