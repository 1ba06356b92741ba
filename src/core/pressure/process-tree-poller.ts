import type { TreeSample } from '../model/process.ts';
import type { AgentProcess } from '../ports/ports.ts';

/** Processes are looked at this often at most while there is no pressure. */
const CALM_MS = 2000;

/** What each sample of the agent's processes reports. */
export interface ProcessTreeReports {
  now(): number;
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
  #dueMs = 0;
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
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }

  sampleIfDue(): void {
    if (this.#reports.now() >= this.#dueMs) this.sample();
  }

  sample(): void {
    const agent = this.#life;
    if (!agent || this.#busy) return;
    const startMs = this.#reports.now();
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
        if (agent !== this.#life) return;
        this.#dueMs = startMs + Math.max(this.#reports.pressed() ? 0 : CALM_MS, agent.treeIntervalMs());
      });
  }
}
