import type { Requests } from '../model/requests.ts';

/**
 * Where one that came now would wait for so long, in seconds, other replicas should get new work. The gate refuses after
 * 10 s, and a balancer goes on sending for up to 3 s after the agent is un-ready; as long after it is ready again nothing
 * new comes, and there has to be work meanwhile.
 */
const WAIT_SECONDS = { enter: 7, leave: 4 };

/** Whether so many wait at the gate that the agent should get no new work for a while. */
export class Crowding {
  #crowded = false;

  /** At each reading. @param requests as the hooks tell; `null` where none does */
  follow(requests: Requests | null): boolean {
    const seconds = requests?.waitSeconds ?? 0;
    this.#crowded = seconds >= (this.#crowded ? WAIT_SECONDS.leave : WAIT_SECONDS.enter);
    return this.#crowded;
  }
}
