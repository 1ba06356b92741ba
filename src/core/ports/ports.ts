import type { Finding, GuardianEvent } from '../model/events.ts';
import type { FastestGrowth } from '../model/fastest-growth.ts';
import type { GcRecord } from '../model/gc-record.ts';
import type { GrowthReport } from '../model/growth-report.ts';
import type { Advised, Degraded } from '../model/notice.ts';
import type { Outlook } from '../model/outlook.ts';
import type { ExitFacts, ProcessShare, TreeSample } from '../model/process.ts';
import type { HeapUse, Reading } from '../model/reading.ts';
import type { RemedyStatus } from '../model/remedy.ts';
import type { AgentInfo, DeathCause, Level, Runtime } from '../model/status.ts';
import type { ReclaimOutlook } from '../pressure/readiness.ts';
import type { PostMortem } from '../report/post-mortem.ts';

/** One life of the agent, from being found to its end. */
export interface AgentProcess {
  /** As of now: another object where it has changed. */
  readonly info: Readonly<AgentInfo>;
  /** V8's own heap limit in bytes, where it is known from outside. */
  readonly heapLimitBytes: number | null;
  /** Somebody chose that limit: it is not the default. */
  readonly heapLimitSet: boolean;
  alive(): boolean;
  /** Whoever runs the loop hears of the end at once, and need not look for it. Default false. */
  readonly exitTold?: boolean;
  /** By its processors: read seldom, as of the last time. Default: one core. */
  fastestGrowth?(nowMs: number): FastestGrowth;
  /** Killed already, although it still runs. */
  dying(): boolean;
  /** A fresh reading. @throws SpillwayError when nothing can be read */
  read(nowMs: number): Reading;
  /** Bytes in use, without breakdown and at next to no cost; `null` when only `read` can tell. */
  usageOnly(): number | null;
  /** Kills counted by the kernel for the agent's cgroup; `null` where it does not tell. */
  oomKills(): number | null;
  /** Others than the agent are charged to that cgroup: a kill counted there may be theirs. Default false. */
  readonly sharesGroup?: boolean;
  /** Why better sources are not in use, each with its hint. */
  degraded(): Degraded[];
  tree(): Promise<TreeSample>;
  /** RSS of the agent's processes now, in bytes; `null` where only `tree` can tell. */
  rssBytes(): number | null;
  /** The process whose runtime can be asked: the agent's own, or, below a shell, that which it started. */
  readonly worker: { pid: number; runtime: Runtime };
  /** How long until the next look at the processes, in milliseconds: what the last one took decides. */
  treeIntervalMs(): number;
  exit(): ExitFacts;
  close(): void;
}

/** What is known at one round of the loop, for whoever acts on it. */
export interface Situation {
  nowMs: number;
  agent: AgentProcess;
  reading: Reading;
  /** Of the agent's memory, whatever else is near its end. */
  level: Level;
  outlook: Outlook;
  /** For how long the growth of the outlook's forecast has gone on, in seconds. */
  risingSeconds: number;
  /** The biggest 20, biggest first. */
  processes: readonly ProcessShare[];
  /** All processes of the agent, as last looked at. */
  pids: readonly number[];
  /** What they use of the CPU, in cores, as last looked at; `null` where that is unknown. */
  cpuCores: number | null;
  ready: boolean;
  stuck: boolean;
}

/** One thing that may be done about pressure. Every method returns at once and never throws; what takes time runs beside the loop. */
export interface Remedy {
  /** At each round of the loop with a valid reading. */
  attend(situation: Situation): void;
  /** What it has found since it was asked last. */
  findings(): Finding[];
  /** Why the agent admits no new work until its end; `null` while it may. */
  draining(): string | null;
  /** New work should go to other replicas for a while. Default false. */
  readonly crowded?: boolean;
  status(): RemedyStatus;
  /** The guardian ends: nothing is done or found after. */
  end(): Promise<void>;
}

/** All that is done about pressure, over all lives of the agent. */
export interface Remediation {
  /** From here on it is this life; `undefined` when there is none. */
  follow(agent: AgentProcess | undefined): void;
  attend(situation: Situation): void;
  /** The life has ended. @returns what was done to the agent just before, where that had to do with it, in a sentence */
  ended(cause: DeathCause): string | undefined;
  /** What was found beside the loop since the last time. */
  findings(): Finding[];
  /** Why the agent admits no new work until its end; `null` while it may. */
  draining(): string | null;
  /** New work should go to other replicas for a while. */
  readonly crowded: boolean;
  remedies(): RemedyStatus[];
  /** The agent's heap against its own limit, while that is near. */
  readonly heap: HeapUse | null;
  /** What refusing work may still bring; `undefined` when that is not known. */
  readonly reclaimOutlook: ReclaimOutlook | undefined;
  readonly lastGc: GcRecord | undefined;
  readonly growth: GrowthReport | undefined;
  /** How long the kubelet may wait before it starts the agent again if it ends now; `null` where somebody else restarts it. */
  readonly restartDelaySeconds: number | null;
  /** What should be set otherwise, each with its hint. */
  readonly advice: Advised[];
}

/** Looks for the agent: a life, or in words why there is none. `lives` is how many there were before. */
export type FindAgent = (lives: number) => AgentProcess | string;

/** Whom the guardian tells; each of these returns at once and never throws. */
export interface Exporters {
  emit(event: GuardianEvent): void;
  /** A log line that is no event. */
  log(level: 'info' | 'warn', message: string): void;
  /** `status` on each change of level, `reading` about once a second, `advice` for the agent; `data` is asked for only when somebody listens. */
  stream(event: 'status' | 'reading' | 'advice', data: () => object): void;
  observeTick(durationSeconds: number, intervalSeconds: number): void;
  readFailed(source: string): void;
  transition(from: Level, to: Level): void;
  restarted(): void;
  died(report: PostMortem): void;
  /** `report` gives what would be left to say if everything ended now; it is costly, so ask only to write it. */
  flight(report: () => PostMortem): void;
  flightDone(): void;
}

/** Time and numbers come from outside, so that a test can tell any story. */
export interface Clock {
  /** Monotonic milliseconds, the same in all processes of the machine. */
  now(): number;
  /** Wall-clock milliseconds since 1970. */
  wallMs(): number;
  setTimer(fn: () => void, ms: number): { cancel(): void };
  newId(): string;
}
