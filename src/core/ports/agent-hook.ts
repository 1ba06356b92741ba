import type { GuardianMessage, HookState } from '../model/hook-messages.ts';
import type { Requests } from '../model/requests.ts';
import type { InspectorSession } from './inspector.ts';

/** The hook in one process of the agent, connected and known to be what it says. */
export interface AgentHook {
  /** As the guardian sees it. */
  readonly pid: number;
  readonly open: boolean;
  /** As last said; `undefined` before the first word. */
  readonly state: HookState | undefined;
  /**
   * The state as it is now.
   * @throws SpillwayError `timeout` while the event loop is blocked, `refused` when the connection is lost
   */
  ask(timeoutMs: number): Promise<HookState>;
  /** The inspector within the process: no port. One at a time; another call ends the session before it. */
  inspect(): InspectorSession;
  send(message: GuardianMessage): void;
}

/** All hooks that are connected. */
export interface AgentHooks {
  of(pid: number): AgentHook | undefined;
  all(): readonly AgentHook[];
  /** What all of them serve, as last told; `null` where none does. */
  requests(): Requests | null;
  /** Requests that wait for memory; `null` where no gate is before the agent. */
  waiting(): number | null;
}
