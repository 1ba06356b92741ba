import type { Finding } from '../core/model/events.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { Profile } from '../core/model/heap.ts';
import type { DeathCause } from '../core/model/status.ts';
import type { AgentHooks } from '../core/ports/agent-hook.ts';
import type { AgentProcess, Clock } from '../core/ports/ports.ts';
import type { RuntimeClient } from '../core/ports/runtime-client.ts';
import type { Thresholds } from '../core/pressure/level.ts';
import type { ClientConnections } from '../core/proc/client-connections.ts';

export interface SessionOptions extends Thresholds {
  gc: 'auto' | 'on-shared-host' | 'inspect-only' | 'off';
  /** Share of wall time, 0…1. */
  gcStallBudget: number;
  profile: 'auto' | 'off';
}

/** What care gets from outside, the same for all lives of the agent. */
export interface SessionDeps {
  options: SessionOptions;
  clock: Clock;
  /**
   * A way into the runtime of a process, or in words why there is none.
   * @param maySignal whether a signal may open it, asked right before one is sent
   */
  connect(worker: AgentProcess['worker'], maySignal: () => boolean): Promise<RuntimeClient | string>;
  /** The most that the heap of a Node process can be, seen from outside, in bytes; `null` where that is unknown. */
  heapFromOutside(pid: number): number | null;
  /** Connections of clients to the agent's processes, main process first. */
  connections(pids: readonly number[], leaveOutPorts: readonly number[]): Promise<ClientConnections>;
  /** The hooks that are connected. */
  hooks: Pick<AgentHooks, 'of' | 'requests'>;
  /** A life has ended. @returns what was done to the agent just before, where that had to do with it, in a sentence */
  ended(cause: DeathCause): string | undefined;
  report(finding: Finding): void;
  log(level: 'info' | 'warn', message: string): void;
  collected(record: GcRecord): void;
  /** Pause of the agent's main loop for something else than a collection, in milliseconds. */
  stalled(ms: number): void;
  /** Keeps the file of a profile; resolves to its path, or to `null` where nothing is kept. */
  keep(profile: NonNullable<Profile['file']>): Promise<string | null>;
}
