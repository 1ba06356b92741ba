import { atLeast, type Thresholds } from '../pressure/level.ts';
import { type NeedsMore, RecycleBudget, type Spent } from './budget.ts';
import {
  type ForeseenEnd,
  ForeseenKill,
  type KillInput,
  type KillVerdict,
  type NoKill,
} from './foreseen-kill.ts';

export type RecycleMode = 'auto' | 'on' | 'off';

/** The agent at one moment. */
export interface RecycleInput extends KillInput {
  /** Whether it is proven that the process that would get SIGTERM handles it. */
  handlesSigterm: boolean;
}

/** Why the agent is not ended although it is going to be killed. */
export type RecycleBar =
  | {
      code:
        | 'switched_off'
        | 'no_restart_policy'
        | 'restart_policy_unknown'
        | 'no_sigterm_handler' // none is known
        | 'sigterm_sent' // in this life
        | 'sigterm_not_sent'; // it cannot be
    }
  | Spent;

/** Why it is done, for the event and the record; or why not. */
export type RecycleDecision =
  | { recycle: true; reason: ForeseenEnd }
  | { recycle: false; why: NoKill; foreseen: false }
  | { recycle: false; why: RecycleBar; foreseen: true };

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
  #bars: RecycleBar | undefined;

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
    this.#bars = { code: 'sigterm_sent' };
  }

  /** SIGTERM cannot be sent to it: it is not tried again in this life. */
  refused(): void {
    this.#bars = { code: 'sigterm_not_sent' };
  }

  /** Why recycling was given up, for an event; `null` while it was not. */
  get needsMore(): NeedsMore | null {
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
  #barred(input: RecycleInput): RecycleBar | undefined {
    const { mode, restarted } = this.#options;
    if (mode === 'off') return { code: 'switched_off' };
    if (restarted === false) return { code: 'no_restart_policy' };
    if (mode === 'auto' && restarted === null) return { code: 'restart_policy_unknown' };
    if (mode === 'auto' && !input.handlesSigterm) return { code: 'no_sigterm_handler' };
    return this.#bars ?? this.#budget.barred(input);
  }
}
