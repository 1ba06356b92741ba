import type { GuardianEvent } from './events.ts';
import type { ProcessShare } from './kills.ts';
import type { PostMortem } from './post-mortem.ts';
import type { Reading } from './reading.ts';
import type { AgentInfo, Level } from './status.ts';

/** The agent's processes at one look. */
export interface TreeSample {
  rssBytes: number;
  /** 1 = one core busy; `null` before the second look. */
  cpuCores: number | null;
  count: number;
  /** Biggest first. */
  processes: ProcessShare[];
}

/** How the agent's process ended, as far as it can be seen from here. */
export interface ExitFacts {
  exitCode: number | null;
  signal: string | null;
}

/** One life of the agent, from being found to its end. */
export interface AgentLife {
  readonly info: AgentInfo;
  /** V8's own heap limit in bytes, where it can be told from outside. */
  readonly heapLimitBytes: number | null;
  alive(): boolean;
  /** @throws SpillwayError when nothing can be read */
  read(nowMs: number): Reading;
  /** Bytes in use, without breakdown and at next to no cost; `null` when only `read` can tell. */
  glance(): number | null;
  /** Kills counted by the kernel for the agent's cgroup; `null` where it does not tell. */
  oomKills(): number | null;
  /** Why better sources are not in use, each with its mend. */
  degraded(): string[];
  tree(): Promise<TreeSample>;
  /** How long until the next look at the processes, in milliseconds: what the last one took decides. */
  treeIntervalMs(): number;
  exit(): ExitFacts;
  close(): void;
}

/** Looks for the agent: a life, or in words why there is none. `lives` is how many there were before. */
export type Seek = (lives: number) => AgentLife | string;

/** Whom the guardian tells; each of these returns at once and never throws. */
export interface Outlets {
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
  /** Monotonic milliseconds. */
  now(): number;
  /** Wall-clock milliseconds since 1970. */
  wallMs(): number;
  setTimer(fn: () => void, ms: number): { cancel(): void };
  newId(): string;
}
