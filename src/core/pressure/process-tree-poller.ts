import type { TreeSample } from '../model/process.ts';
import type { AgentProcess } from '../ports/ports.ts';

/** While there is no pressure, processes are looked at once in so many looks at memory, between these times. */
const LOOKS = 40;
const CALM_MS = { least: 2000, most: 10_000 };

/** What each sample of the agent's processes reports. */
export interface ProcessTreeReports {
  now(): number;
  /** The interval of the looks at memory, in milliseconds; 0 where what they see depends on the processes known. */
  looksEveryMs(): number;
  /** Under pressure, looks come as often as their cost allows. */
  pressed(): boolean;
  seen(sample: TreeSample): void;
  failed(): void;
}

/** Looks at the agent's processes beside the loop: one look at a time, the next when its cost allows. */
export class ProcessTreePoller {
  #latest: TreeSample | undefined;
  readonly #reports: ProcessTreeReports;
  #life: AgentProcess | undefined;
  #followedMs = 0;
  #lookedMs = 0;
  #busy = false;

  constructor(reports: ProcessTreeReports) {
    this.#reports = reports;
  }

  /** As last seen; `undefined` before the first look at this life. */
  get latest(): TreeSample | undefined {
    return this.#latest;
  }

  /** From here on it is this life's processes; `undefined` when there is none. */
  follow(agent: AgentProcess | undefined): void {
    this.#life = agent;
    this.#latest = undefined;
    this.#followedMs = this.#reports.now();
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  sampleIfDue(): void {
    const agent = this.#life;
    if (!agent || this.#busy) return;
    const now = this.#reports.now();
    if (now >= this.#lookedMs + Math.max(this.#calmMs(now), agent.treeIntervalMs())) this.sample();
  }

  sample(): void {
    const agent = this.#life;
    if (!agent || this.#busy) return;
    this.#lookedMs = this.#reports.now();
    this.#busy = true;
    agent
      .tree()
      .then((sample) => {
        if (agent !== this.#life) return; // it has died meanwhile
        this.#latest = sample;
        this.#reports.seen(sample);
      })
      .catch(() => this.#reports.failed())
      .finally(() => {
        this.#busy = false;
      });
  }

  /** One that has just been found may still become another program, and starts what it needs. */
  #calmMs(now: number): number {
    if (this.#reports.pressed()) return 0;
    const ageMs = now - this.#followedMs;
    return Math.max(CALM_MS.least, Math.min(CALM_MS.most, LOOKS * this.#reports.looksEveryMs(), ageMs));
  }
}
