import type { GcRecord } from '../core/gc-record.ts';
import type { Finding } from '../core/judge.ts';
import type { Thresholds } from '../core/level.ts';
import type { AgentLife, Clock } from '../core/ports.ts';
import type { Profile, Reach } from '../core/reach.ts';

export interface CareOptions extends Thresholds {
  gc: 'auto' | 'inspect-only' | 'off';
  /** Share of wall time, 0…1. */
  gcStallBudget: number;
  profile: 'auto' | 'off';
}

/** What care gets from outside, the same for all lives of the agent. */
export interface CareDeps {
  options: CareOptions;
  clock: Clock;
  /** A way into the runtime of a process, or in words why there is none. */
  reach(worker: AgentLife['worker']): Promise<Reach | string>;
  /** Connections of clients to the agent's processes, main process first; `null` where they cannot be seen. */
  connections(pids: readonly number[], leaveOutPorts: readonly number[]): Promise<number | null>;
  tell(finding: Finding): void;
  log(level: 'info' | 'warn', message: string): void;
  collected(record: GcRecord): void;
  /** Main loop of the agent stood still for something else than a collection, in milliseconds. */
  stalled(ms: number): void;
  /** Keeps the file of a profile; resolves to its path, or to `null` where nothing is kept. */
  keep(profile: NonNullable<Profile['file']>): Promise<string | null>;
}
