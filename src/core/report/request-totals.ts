import type { HookState } from '../model/hook-messages.ts';
import type { Requests } from '../model/requests.ts';

/** More processes than an agent has at the same time. */
const MOST_REMEMBERED = 1024;

/** Adds up what the processes of the agent say of their requests, over all that come and go. */
export class RequestTotals {
  #refused = 0;
  /** Refused as each process said last, by its pid: one that connects again starts from there. */
  readonly #said = new Map<number, number>();
  #latest: Requests | null = null;
  #states: readonly HookState[] = [];

  /** A process has said its state. */
  heard(pid: number, { refused }: HookState): void {
    const before = this.#said.get(pid) ?? 0;
    this.#refused += refused >= before ? refused - before : refused; // another process of the same pid starts at 0
    this.#said.delete(pid);
    this.#said.set(pid, refused);
    const [oldest] = this.#said.keys();
    if (this.#said.size > MOST_REMEMBERED && oldest !== undefined) this.#said.delete(oldest);
  }

  /** The sum, as the same object while nothing changes; `null` where no process serves. @param states of all that are connected */
  of(states: readonly HookState[]): Requests | null {
    const serving = states.filter(({ servers }) => servers > 0);
    const before = this.#states;
    if (serving.length === before.length && serving.every((state, i) => state === before[i]))
      return this.#latest;
    this.#states = serving;
    const sum = (of: (state: HookState) => number) => serving.reduce((total, state) => total + of(state), 0);
    this.#latest =
      serving.length === 0
        ? null
        : {
            inFlight: sum((state) => state.inFlight),
            waiting: sum((state) => state.waiting),
            waitSeconds: waitSecondsOf(serving),
            refused: this.#refused,
            admittedPerSecond: sum((state) => state.admittedPerSecond),
            loopDelaySeconds: Math.max(...serving.map(({ lateMs }) => lateMs)) / 1000,
          };
    return this.#latest;
  }
}

/** Of one that comes to where most of the others are. */
function waitSecondsOf(states: readonly HookState[]): number {
  let requests = 0;
  let waitMs = 0;
  for (const state of states) {
    const here = state.inFlight + state.waiting;
    requests += here;
    waitMs += here * state.waitMs;
  }
  return requests === 0 ? 0 : waitMs / requests / 1000;
}
