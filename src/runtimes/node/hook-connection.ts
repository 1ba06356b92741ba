import { SpillwayError } from '../../core/lib/errors.ts';
import type { AgentHook } from '../../core/ports/agent-hook.ts';
import type { InspectorSession } from '../../core/ports/inspector.ts';
import { type Isolate, isolateOf } from './evaluator.ts';
import type { InspectorConnection } from './inspector-connection.ts';
import { HANDSHAKE, type Handshake } from './scripts.ts';
import type { NodeTimeouts } from './signals.ts';

/** A connection, and by what it is. */
export interface NodeConnection extends InspectorConnection {
  readonly by: 'hook' | 'inspector' | 'none';
}

export interface HookConnectionOptions {
  /** The hook of the process, while it is connected. */
  hook(): AgentHook | undefined;
  /** Where there is no hook, or none that answers: the event loop may be blocked, and the inspector answers beside it. */
  inspector: InspectorConnection;
  timeouts: NodeTimeouts;
}

/**
 * The inspector within the agent where the hook is loaded, else one that is open or that SIGUSR1 opens. While the hook answers,
 * no port is looked for and no signal is sent.
 */
export function createHookConnection({ hook, inspector, timeouts }: HookConnectionOptions): NodeConnection {
  let inside: { session: InspectorSession; isolate: Isolate } | undefined;
  /** It has left something unanswered since it answered last. */
  let late = false;
  const isOpen = () => inside?.session.open === true;

  /** What runs into its time limit makes the next call ask first for an answer of the hook. */
  const watched = (session: InspectorSession): InspectorSession => ({
    ...session,
    get open() {
      return session.open;
    },
    send: async (...call) => {
      try {
        return await session.send(...call);
      } catch (error) {
        late ||= isTimeout(error);
        throw error;
      }
    },
  });

  const enter = async (through: AgentHook): Promise<Isolate> => {
    const session = watched(through.inspect());
    try {
      const { builtin } = await isolateOf(session).evaluate<Handshake>(HANDSHAKE, timeouts.answerMs);
      const isolate = isolateOf(session, !builtin);
      inside = { session, isolate };
      return isolate;
    } catch (error) {
      await session.close();
      throw error;
    }
  };

  const connect = async (): Promise<Isolate> => {
    const through = hook();
    if (!through?.open) return inspector.connect();
    try {
      if (late) await through.ask(timeouts.answerMs);
      late = false;
      // what was opened while it did not answer is closed again
      if (inspector.port !== null) await inspector.disconnect();
      return inside && isOpen() ? inside.isolate : await enter(through);
    } catch (error) {
      if (!isTimeout(error)) throw error;
      late = true;
      return inspector.connect();
    }
  };

  return {
    connect,
    get by() {
      return isOpen() ? 'hook' : inspector.port === null ? 'none' : 'inspector';
    },
    get port() {
      return inspector.port;
    },
    get opened() {
      return inspector.opened;
    },
    tidy: () => inspector.tidy(),
    async disconnect() {
      const session = inside?.session;
      inside = undefined;
      await Promise.all([session?.close(), inspector.disconnect()]);
    },
  };
}

function isTimeout(error: unknown): boolean {
  return error instanceof SpillwayError && error.code === 'timeout';
}
