import { SpillwayError } from '../core/lib/errors.ts';
import { unreclaimableBytes } from '../core/model/reading.ts';
import type { AgentProcess, Situation } from '../core/ports/ports.ts';

/** One life of the agent as it is now: the latest round of the loop, and whether it is over. */
export class SessionContext {
  readonly agent: AgentProcess;
  #latest: Situation | undefined;
  #ended = false;

  constructor(agent: AgentProcess) {
    this.agent = agent;
  }

  /** At each round of the loop. */
  attend(situation: Situation): void {
    this.#latest = situation;
  }

  /** The guardian no longer follows this process. */
  end(): void {
    this.#ended = true;
  }

  /** As of the latest round; `undefined` before the first. */
  get latest(): Situation | undefined {
    return this.#latest;
  }

  /** @throws SpillwayError `unavailable` before the first round */
  get situation(): Situation {
    if (!this.#latest) throw new SpillwayError('unavailable', 'there is no reading of the agent yet');
    return this.#latest;
  }

  /** Whether the guardian no longer follows this process; it may still run. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Nothing is to be done or told any more. */
  get over(): boolean {
    return this.#ended || !this.agent.alive();
  }

  /** @throws SpillwayError `unavailable` when this life is over: what was waited for has come too late */
  check(): void {
    if (this.over)
      throw new SpillwayError('unavailable', 'the agent has ended, or the guardian is shutting down');
  }

  /** Bytes held now. A glance, as a whole reading would be taken for one that the loop has judged. */
  held(): number {
    const { reading } = this.situation;
    const usedBytes = this.agent.usageOnly() ?? reading.usedBytes;
    return unreclaimableBytes({ usedBytes, reclaimableBytes: reading.reclaimableBytes });
  }
}
