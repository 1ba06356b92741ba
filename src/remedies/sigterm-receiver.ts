import type { AgentProcess } from '../core/ports/ports.ts';
import type { Inside, RecyclerDeps } from './recycler-deps.ts';

const LOOK_EVERY_MS = 1000;

/** The process of the agent that SIGTERM is for. */
export class SigtermReceiver {
  readonly #deps: Pick<RecyclerDeps, 'sigtermTarget' | 'handlesSigterm'>;
  #pid: number | null = null;
  #handles: boolean | null = false;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: Pick<RecyclerDeps, 'sigtermTarget' | 'handlesSigterm'>) {
    this.#deps = deps;
  }

  /** As last looked up; `null` where that is unknown. */
  get pid(): number | null {
    return this.#pid;
  }

  /** Another life of the agent begins: it is looked up anew. */
  reset(): void {
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  /** Whether it is proven that this process handles SIGTERM. @param told what a process' runtime says */
  handles(agent: AgentProcess, told: Inside['sigterm'], nowMs: number): boolean {
    if (nowMs - this.#lookedMs >= LOOK_EVERY_MS) {
      this.#lookedMs = nowMs;
      this.#pid = this.#deps.sigtermTarget(agent);
      this.#handles = this.#pid === null ? false : this.#deps.handlesSigterm(this.#pid);
    }
    return this.#handles ?? (told?.pid === this.#pid && told.handles);
  }
}
