import type { AgentHooks } from '../core/ports/agent-hook.ts';
import type { AgentProcess, Clock } from '../core/ports/ports.ts';
import type { Thresholds } from '../core/pressure/level.ts';
import type { CollectionState } from '../core/recycle/foreseen-kill.ts';
import type { Notice } from '../core/recycle/notice.ts';
import type { RecycleOutcome, RecycleWork } from '../core/recycle/outcome.ts';
import type { RecycleMode, RecyclePlanOptions } from '../core/recycle/plan.ts';

export interface RecyclerDeps {
  mode: RecycleMode;
  restarted: RecyclePlanOptions['restarted'];
  thresholds: Thresholds;
  turn: RecyclePlanOptions['turn'];
  kubelet: RecyclePlanOptions['kubelet'];
  /** At the limit the kernel ends all processes at once (`memory.oom.group`), and not the biggest. */
  endsAll: boolean;
  /** `oom_score_adj` of a process. */
  oomAdjustment(pid: number): number;
  notice: Pick<Notice, 'given'>;
  clock: Clock;
  hooks: Pick<AgentHooks, 'requests' | 'waiting'>;
  /** Which process of the agent SIGTERM is for; `null` where that is unknown. */
  sigtermTarget(agent: AgentProcess): number | null;
  /** Whether that process is proven to handle SIGTERM; `null` where its runtime has to be asked. */
  handlesSigterm(pid: number): boolean | null;
  /** Ends it gracefully by SIGTERM to `target`, beside the loop. */
  start(
    agent: AgentProcess,
    target: number,
    work: RecycleWork,
  ): { outcome: Promise<RecycleOutcome>; callOff(why: string): boolean };
  log(level: 'info' | 'warn', message: string): void;
  recycled(result: string): void;
}

/** What is known from inside the agent. */
export interface Inside {
  readonly collections: CollectionState;
  readonly inFlight: number | null;
  /** In how many seconds what is in flight has ended, as far as such requests tell; `null` where no hook tells. */
  readonly endsInSeconds: number | null;
  /** What a process' runtime says: whether its program handles SIGTERM. */
  readonly sigterm: { pid: number; handles: boolean } | null;
  /** Charged, and free inside the runtime's heap; 0 where that is not known. */
  readonly freeHeapBytes: number;
  /** What V8 has left in use in its heap lately, in bytes; `null` where no hook tells. */
  readonly heapBytes: number | null;
  /** Of the nearer limit, what the last collection has left in use, 0…1; `null` where there was none lately. */
  readonly leftRatio: number | null;
  countInFlight(): Promise<number | null>;
  /** Whether GC frees anything decides now on the end of the agent: a stop of its work costs less than that. */
  decidesOnGc(): void;
}
