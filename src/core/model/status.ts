import type { Constraint } from './constraint.ts';
import type { GcRecord } from './gc-record.ts';
import type { GrowthReport } from './growth-report.ts';
import type { Advised, Degraded } from './notice.ts';
import type { LimitSource, UsageSource } from './reading.ts';
import type { RemedyStatus } from './remedy.ts';
import type { Requests } from './requests.ts';

export const LEVELS = ['ok', 'warning', 'shedding', 'critical'] as const;
export type Level = (typeof LEVELS)[number];
export type Runtime = 'node' | 'python' | 'jvm' | 'go' | 'other';

/** How an agent ended. `heap-limit` is V8's own abort, `unknown` an end whose exit status is not visible from here. */
export type DeathCause = 'oom-killed' | 'heap-limit' | 'exit' | 'signal' | 'unknown';

/** Who is being guarded. */
export interface AgentInfo {
  pid: number;
  name: string;
  runtime: Runtime;
  /** How often it came back since the guardian started. */
  restarts: number;
}

/** A constraint as the status lists it. */
export type ConstraintStatus = Pick<Constraint, 'name' | 'used' | 'limit' | 'unit' | 'source'> & {
  ratio: number;
  /** In the constraint's unit: 0 where no trend differs from chance, `null` while it is not known. */
  growthPerSecond: number | null;
  /** `null` where the limit is not foreseen to be reached. */
  secondsToLimit: number | null;
};

/** The status object: `/v1/status`, the body of `/readyz`, and part of every event. Bytes and seconds; ratios 0…1. */
export interface Status {
  level: Level;
  ready: boolean;
  blind: boolean;
  /** In words: why this level, or why nothing can be read. */
  reason: string;
  /** ISO time at which this level was entered. */
  since: string;
  ratio: number | null;
  usedBytes: number | null;
  limitBytes: number | null;
  reclaimableBytes: number | null;
  anonBytes: number | null;
  shmemBytes: number | null;
  kernelBytes: number | null;
  rssBytes: number | null;
  /** CPU of the agent's process tree, in cores (1 = one core busy); `null` before the second look. */
  cpuCores: number | null;
  processes: number;
  growthBytesPerSecond: number | null;
  secondsToLimit: number | null;
  /** 95 % bounds of `secondsToLimit`; an upper bound of `null` means the growth may be none at all. */
  secondsToLimitRange: [low: number, high: number | null] | null;
  leakSuspected: boolean;
  limitSource: LimitSource | null;
  usageSource: UsageSource | null;
  /** The constraint nearest to its end, which decides level and readiness: `container`, `heap` (the runtime's own limit), `injected`. */
  limitedBy: string;
  /** All that may run out, memory first. Ratios 0…1, above 1 where a limit is exceeded. */
  constraints: ConstraintStatus[];
  /** What is done about pressure, in the order in which it is tried, and why it is not done. */
  remedies: RemedyStatus[];
  /** What is in flight and what waits; known only of agents with the hook that serve HTTP. */
  requests: Requests | null;
  /** Heap in use and the limit at which the runtime gives up; known only while memory comes near that. */
  heapUsedBytes: number | null;
  heapLimitBytes: number | null;
  /** The agent is being recycled: no new work, what is in flight may end. */
  recycling: boolean;
  /** How long the kubelet may wait before it starts the agent again if it ends now, as far as this guardian has seen it end; `null` where somebody else restarts it. */
  restartDelaySeconds: number | null;
  /** What keeps a better source from being used, each with its hint; empty when the best is in use. */
  degraded: Degraded[];
  /** What about the agent should be set otherwise, each with its hint: a heap limit that its container cannot hold. */
  advice: Advised[];
  agent: AgentInfo | null;
  oomKills: number;
  lastGc: GcRecord | null;
  /** What grew, from the warning level on. */
  growth: GrowthReport | null;
  /** `id` is that of its report. */
  lastDeath: { id: string; at: string; cause: DeathCause; reason: string } | null;
}
