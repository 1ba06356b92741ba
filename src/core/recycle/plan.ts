import { atLeast, type Thresholds } from '../pressure/level.ts';
import { RecycleBudget } from './budget.ts';
import { ForeseenKill, type KillInput, type KillVerdict } from './foreseen-kill.ts';

export type RecycleMode = 'auto' | 'on' | 'off';

/** The agent at one moment. */
export interface RecycleInput extends KillInput {
  /** Whether it is proven that the process that would get SIGTERM handles it. */
  handlesSigterm: boolean;
}

/** Why it is done, for the event and the record; or why not, in words. */
export type RecycleDecision =
  | { recycle: true; reason: string }
  | { recycle: false; why: string; foreseen: boolean };

export interface RecyclePlanOptions {
  mode: RecycleMode;
  /**
   * Whether whoever runs the agent starts it again: `true` in a pod with restartPolicy Always and in wrap mode with
   * `--restart`, `false` in a pod with another restartPolicy, `null` where that is not known.
   */
  restarted: boolean | null;
  thresholds: Thresholds;
  /** This replica's turn among those of its workload, 0…1; `null` where it is the only one. */
  turn: number | null;
}

/**
 * When to end the agent gracefully, so that it is restarted: over all its restarts, as the budget is about how often. There is
 * one reason only: it is going to be killed otherwise.
 */
export class RecyclePlan {
  readonly #options: RecyclePlanOptions;
  readonly #kill: ForeseenKill;
  readonly #budget = new RecycleBudget();
  #bars: string | undefined;

  constructor(options: RecyclePlanOptions) {
    this.#options = options;
    this.#kill = new ForeseenKill(options.thresholds, options.turn);
  }

  /** Another life of the agent begins. */
  born(nowMs: number): void {
    this.#budget.born(nowMs);
    this.#kill.born();
    this.#bars = undefined;
  }

  /** SIGTERM was sent: counts against the budget. */
  terminated(nowMs: number): void {
    this.#budget.spent(nowMs);
    this.#bars = 'SIGTERM was already sent';
  }

  /** SIGTERM cannot be sent to it: it is not tried again in this life. */
  refused(): void {
    this.#bars = 'SIGTERM could not be sent';
  }

  /** Why recycling was given up, for an event; `null` while it was not. */
  get needsMore(): string | null {
    return this.#budget.needsMore;
  }

  /** How long kubelet may wait before it starts the agent again if it ends now, in seconds. */
  kubeletWaitSeconds(nowMs: number): number {
    return this.#budget.kubeletWaitSeconds(nowMs);
  }

  /** To be asked at each judged reading, except while the agent is being ended. */
  decide(input: RecycleInput): RecycleDecision {
    this.#budget.follow(input, atLeast(input.level, 'shedding'));
    const verdict = this.#kill.judge(input, false);
    if (!verdict.kill) return { recycle: false, why: verdict.why, foreseen: false };
    const why = this.#barred(input);
    return why === undefined
      ? { recycle: true, reason: verdict.reason }
      : { recycle: false, why, foreseen: true };
  }

  /** To be asked at each judged reading while the agent is drained: whether it still has to end. */
  reconsider(input: RecycleInput): KillVerdict {
    this.#budget.follow(input, atLeast(input.level, 'shedding'));
    return this.#kill.judge(input, true);
  }

  /** Why not, although it is going to be killed. */
  #barred(input: RecycleInput): string | undefined {
    const { mode, restarted } = this.#options;
    if (mode === 'off') return 'recycling is off';
    if (restarted === false) return 'there is no restart policy';
    if (mode === 'auto' && restarted === null) return 'the restart policy is unknown';
    if (mode === 'auto' && !input.handlesSigterm)
      return 'no SIGTERM handler is known, so the agent would not end gracefully';
    return this.#bars ?? this.#budget.barred(input);
  }
}
