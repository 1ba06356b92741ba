import { atLeast, type Thresholds } from '../pressure/level.ts';
import { AdmittedRise } from './admitted-rise.ts';
import { type NeedsMore, RecycleBudget, type Spent } from './budget.ts';
import { CostlessMoment } from './costless-moment.ts';
import {
  type ForeseenEnd,
  ForeseenKill,
  type KillInput,
  type KillVerdict,
  type NoKill,
} from './foreseen-kill.ts';
import { KeptGrowth } from './kept-growth.ts';

export type RecycleMode = 'auto' | 'on' | 'off';

/** The agent at one moment. */
export interface RecycleInput extends KillInput {
  /** Whether it is proven that the process that would get SIGTERM handles it. */
  handlesSigterm: boolean;
  /** New work is admitted. */
  ready: boolean;
  /** Requests in flight at any level; `null` where no hook tells. */
  running: number | null;
  /** Requests that begin; `null` where no hook tells. */
  admittedPerSecond: number | null;
  /** Requests that wait for memory; `null` where no gate is before the agent. */
  waiting: number | null;
  /** Unreclaimable bytes of the container, whichever limit is the nearer one. */
  usedBytes: number;
  /** The nearer limit is that of the runtime's heap. */
  heapLimited: boolean;
  /** What the runtime has left in use in its heap lately; `null` where no hook tells. */
  heapBytes: number | null;
  /** Of the nearer limit, what the last collection has left in use, 0…1; `null` where there was none lately. */
  leftRatio: number | null;
  /** CPU use in cores; `null` where that is unknown. */
  cpuCores: number | null;
}

/** An agent whose work did not end with its gate closed (a WebSocket, a long stream) is not closed again for so long. */
const UNDRAINED_MS = 60_000;

/** Why the agent is not ended although it is going to be killed. */
export type RecycleBar =
  | {
      code:
        | 'switched_off'
        | 'no_restart_policy'
        | 'restart_policy_unknown'
        | 'no_sigterm_handler' // none is known, and work is in flight that no gate keeps from going on
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
  /** kubelet starts the agent again, each time after a longer wait. */
  kubelet: boolean;
}

/**
 * When to end the agent gracefully, so that it is restarted: over all its restarts, as the budget is about how often. There is
 * one reason only: it is going to be killed otherwise.
 */
export class RecyclePlan {
  readonly #options: RecyclePlanOptions;
  readonly #kill: ForeseenKill;
  readonly #admitted = new AdmittedRise();
  readonly #moment: CostlessMoment;
  readonly #kept = new KeptGrowth();
  /** The same of the runtime's heap: near its own limit that grows within what the container has given already. */
  readonly #keptInHeap = new KeptGrowth();
  readonly #budget = new RecycleBudget();
  #bars: RecycleBar | undefined;
  /** It is un-ready, and about to be ended once it is drained and GC has freed nothing. */
  #awaits = false;
  /** Use rises to the limit at the moment. */
  #rises = false;
  #undrainedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RecyclePlanOptions) {
    this.#options = options;
    this.#kill = new ForeseenKill(options.thresholds, options.turn);
    this.#moment = new CostlessMoment(options.thresholds, options.turn);
  }

  /** Another life of the agent begins. */
  born(nowMs: number): void {
    this.#budget.born(nowMs);
    this.#kill.born();
    this.#admitted.reset();
    this.#moment.born();
    this.#awaits = false;
    this.#kept.reset();
    this.#keptInHeap.reset();
    this.#bars = undefined;
    this.#undrainedMs = Number.NEGATIVE_INFINITY;
  }

  /** SIGTERM was sent: counts against the budget. */
  terminated(nowMs: number): void {
    this.#budget.spent(nowMs);
    this.#bars = { code: 'sigterm_sent' };
  }

  /** Its work did not end although the gate was closed: for a while it serves on. */
  workGoesOn(nowMs: number): void {
    this.#undrainedMs = nowMs;
  }

  /** SIGTERM cannot be sent to it: it is not tried again in this life. */
  refused(): void {
    this.#bars = { code: 'sigterm_not_sent' };
  }

  /** Why recycling was given up, for an event; `null` while it was not. */
  get needsMore(): NeedsMore | null {
    return this.#budget.needsMore;
  }

  /** How long kubelet may wait before it starts the agent again if it ends now, in seconds; 0 where somebody else does. */
  kubeletWaitSeconds(nowMs: number): number {
    return this.#options.kubelet ? this.#budget.kubeletWaitSeconds(nowMs) : 0;
  }

  /** Whether an agent that is un-ready stays so: it is about to be ended, once it is drained and GC has freed nothing. */
  get awaits(): boolean {
    return this.#awaits;
  }

  /** To be asked at each judged reading, except while the agent is being ended. */
  decide(input: RecycleInput): RecycleDecision {
    const verdict = this.#judge(input, false);
    if (!verdict.kill) return { recycle: false, why: verdict.why, foreseen: false };
    const why = this.#barred(input);
    return why === undefined
      ? { recycle: true, reason: verdict.reason }
      : { recycle: false, why, foreseen: true };
  }

  /** To be asked at each judged reading while the agent is drained: whether it still has to end. */
  reconsider(input: RecycleInput): KillVerdict {
    return this.#judge(input, true);
  }

  /** Whether SIGTERM may be sent with work in flight: to one that handles it, before a kill that is near. */
  mayBreak(input: RecycleInput): boolean {
    return (input.handlesSigterm || this.#options.mode === 'on') && this.#rises;
  }

  #judge(input: RecycleInput, begun: boolean): KillVerdict {
    const { nowMs, heldBytes, limitBytes, freeHeapBytes, collections, heapLimited, heapBytes } = input;
    this.#budget.follow(input, atLeast(input.level, 'shedding'));
    this.#kept.add(input);
    // near its own limit V8 slows down whatever is in flight, so that more is
    const inFlight = input.running ?? input.inFlight;
    if (heapBytes !== null) this.#keptInHeap.add({ ...input, inFlight, usedBytes: heapBytes, running: null });
    const risingSeconds = this.#admitted.secondsBeyond(input);
    const kill = this.#kill.judge({ ...input, risingSeconds }, begun);
    this.#rises = kill.kill;
    const room = {
      limitBytes,
      leftBytes: limitBytes - heldBytes + freeHeapBytes,
      collected: collections === 'useless',
      begun,
    };
    const inHeap = heapLimited ? this.#keptInHeap.lasting(room) : null;
    const growth = inHeap ?? this.#kept.lasting(room);
    const waitSeconds = this.kubeletWaitSeconds(nowMs);
    const forgetsSeconds = this.#budget.kubeletForgetsSeconds(nowMs);
    const kubelet = { waitSeconds, forgetsSeconds };
    const waiting = this.#wentOn(nowMs) ? null : input.waiting;
    const moment = this.#moment.judge({ ...input, waiting, growth, kubelet }, begun);
    const waits = !moment.kill && (moment.open === true || moment.why.code === 'work_in_flight');
    this.#awaits =
      waits &&
      growth !== null &&
      input.inFlight !== null &&
      !input.ready &&
      !this.#wentOn(nowMs) &&
      this.#barred(input) === undefined;
    if (kill.kill || (!moment.kill && !growth)) return kill;
    return moment;
  }

  /** The gate was closed a short time ago, and work went on. */
  #wentOn(nowMs: number): boolean {
    return nowMs - this.#undrainedMs < UNDRAINED_MS;
  }

  /** Why not, although it is going to be killed. */
  #barred(input: RecycleInput): RecycleBar | undefined {
    const { mode, restarted } = this.#options;
    if (mode === 'off') return { code: 'switched_off' };
    if (restarted === false) return { code: 'no_restart_policy' };
    if (mode === 'auto' && restarted === null) return { code: 'restart_policy_unknown' };
    // what is in flight then is lost by the kill alone; with nothing in flight SIGTERM loses no more than the kill does
    // a gate that closes sees to it that nothing is: SIGTERM waits for that
    const mayClose = input.waiting !== null && !this.#wentOn(input.nowMs);
    const drains = input.inFlight === 0 || (input.inFlight !== null && mayClose);
    if (mode === 'auto' && !input.handlesSigterm && !drains) return { code: 'no_sigterm_handler' };
    return this.#bars ?? this.#budget.barred(input);
  }
}
