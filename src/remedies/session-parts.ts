import type { GcPlan } from '../core/gc/plan.ts';
import type { RuntimeConnection } from './runtime-connection.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';

/** What everything that stops the agent for a while shares: one connection into its runtime, and one budget of stalls. */
export interface SessionParts extends SessionDeps {
  context: SessionContext;
  connection: RuntimeConnection;
  plan: GcPlan;
}
