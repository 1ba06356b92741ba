import type { GateEntry, GateRequest } from './entry.ts';
import { Gate } from './gate.ts';
import type { GateMemory } from './memory-room.ts';

/** A proxy that was admitted has its request on the way to the agent within this time. */
const FORWARDED_MS = 200;
/** How long a request is taken to run where nobody knows how many do. */
const UNKNOWN_MS = 2000;

/**
 * The gate as a proxy asks for it: it hears of a request before it starts and never of its end. Those admitted are taken to have
 * ended, the oldest first, as the agent has fewer in flight than were admitted.
 */
export class ProxyGate {
  readonly #gate = new Gate();
  #running: { entry: GateEntry; sinceMs: number }[] = [];
  #nowMs = 0;

  get waiting(): number {
    return this.#gate.waiting;
  }
  /** Whether it has to be observed: somebody waits, or was admitted and has not ended. */
  get busy(): boolean {
    return this.#gate.waiting + this.#gate.inFlight > 0;
  }

  enter(request: GateRequest, nowMs: number): GateEntry {
    this.#nowMs = nowMs;
    const entry = this.#gate.enter(
      {
        ...request,
        admit: () => {
          this.#running.push({ entry, sinceMs: this.#nowMs });
          request.admit();
        },
      },
      nowMs,
    );
    if (entry.state === 'running') this.#running.push({ entry, sinceMs: nowMs });
    return entry;
  }

  /** Its client waits no more. */
  leave(entry: GateEntry, nowMs: number): void {
    this.#nowMs = nowMs;
    if (entry.state === 'waiting') this.#gate.leave(entry, nowMs);
  }

  drain(retryAfterSeconds: number | null): void {
    this.#gate.drain(retryAfterSeconds);
  }

  /** @param inFlight requests in the agent; `null` where that is not known */
  observe(memory: GateMemory | null, inFlight: number | null, nowMs: number): void {
    this.#nowMs = nowMs;
    const settledMs = inFlight === null ? UNKNOWN_MS : FORWARDED_MS;
    let ended = inFlight === null ? Number.POSITIVE_INFINITY : this.#running.length - inFlight;
    const gone: GateEntry[] = [];
    this.#running = this.#running.filter(({ entry, sinceMs }) => {
      if (ended <= 0 || nowMs - sinceMs < settledMs) return true;
      ended--;
      gone.push(entry);
      return false;
    });
    // whoever starts in their place is added to those that run
    for (const entry of gone) this.#gate.leave(entry, nowMs);
    this.#gate.observe(memory, nowMs);
  }
}
