import type { Level } from '../model/status.ts';
import { atLeast } from '../pressure/level.ts';

/** Whether the agent that has listened no longer does: it ends by itself, for whatever reason; kubelet's SIGTERM is not visible from here. */
export class OpenPort {
  #seen = false;

  reset(): void {
    this.#seen = false;
  }

  /** @param inFlight `null` where it does not listen, which is looked at while shedding */
  hasClosed(level: Level, inFlight: number | null): boolean {
    if (!atLeast(level, 'shedding')) this.#seen = false;
    else if (inFlight !== null) this.#seen = true;
    return this.#seen && inFlight === null;
  }
}
