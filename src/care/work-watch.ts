import { atLeast } from '../core/level.ts';
import type { Situation } from '../core/ports.ts';
import type { CareDeps } from './deps.ts';
import type { Hand } from './hand.ts';
import type { Present } from './present.ts';

const EVERY_MS = 250;
/** A limit this near may soon be a reason to end the agent in order: what it has in work is to be known. */
const NEAR_SECONDS = 15;

/** Watches how many requests the agent has in work, while that matters. */
export class WorkWatch {
  /** As last seen while shedding; `null` is not known. */
  inFlight: number | null = null;

  readonly #present: Present;
  readonly #hand: Hand;
  readonly #connections: CareDeps['connections'];
  #counting: Promise<number | null> | undefined;
  #seenMs = Number.NEGATIVE_INFINITY;

  constructor(present: Present, hand: Hand, { connections }: CareDeps) {
    this.#present = present;
    this.#hand = hand;
    this.#connections = connections;
  }

  /** The count that is running. */
  get counting(): Promise<unknown> | undefined {
    return this.#counting;
  }

  attend({ nowMs, level, outlook }: Situation): void {
    const near = outlook.secondsToLimit !== null && outlook.secondsToLimit <= NEAR_SECONDS;
    if (!atLeast(level, near ? 'warning' : 'shedding')) {
      this.inFlight = null;
      return;
    }
    if (nowMs - this.#seenMs < EVERY_MS) return;
    this.#seenMs = nowMs;
    void this.count();
  }

  /** Requests in work now; `null` where it cannot be told. Never rejects; who asks meanwhile gets the same answer. */
  count(): Promise<number | null> {
    this.#counting ??= this.#count().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #count(): Promise<number | null> {
    const { life, latest } = this.#present;
    const { pid } = life.info;
    const others = latest?.processes.map((each) => each.pid).filter((each) => each !== pid) ?? [];
    const { reach } = this.#hand;
    const leaveOut = reach?.inspectorPort ? [reach.inspectorPort] : [];
    let count = await this.#connections([pid, ...others], leaveOut).catch(() => null);
    // a connection may be kept open with no request on it: that only the runtime knows
    const asks = !this.#present.ended && !this.#hand.occupied;
    if (count !== 0 && reach?.inFlight && asks) count = (await reach.inFlight().catch(() => null)) ?? count;
    this.inFlight = count;
    return count;
  }
}
