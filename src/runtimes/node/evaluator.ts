import { SpillwayError } from '../../core/lib/errors.ts';
import type { InspectorSession } from '../../core/ports/inspector.ts';

/** One isolate of the agent: its main thread or a worker. */
export interface Isolate {
  readonly session: InspectorSession;
  readonly commandLine: boolean;
  /**
   * The value of an expression. Exceptions stop no debugger that somebody else has attached.
   * @param awaitPromise for the value of a promise; in a paused program it never comes, whatever the expression
   * @throws SpillwayError
   */
  evaluate<T>(expression: string, timeoutMs: number, awaitPromise?: boolean): Promise<T>;
}

interface Evaluated {
  result: { value?: unknown };
  exceptionDetails?: { text: string; exception?: { description?: string } };
}

/** @param commandLine with the inspector's own helpers in scope, for the `require` among them */
export function isolateOf(session: InspectorSession, commandLine = false): Isolate {
  return {
    session,
    commandLine,
    async evaluate<T>(expression: string, timeoutMs: number, awaitPromise = false): Promise<T> {
      const { result, exceptionDetails } = await session.send<Evaluated>(
        'Runtime.evaluate',
        {
          expression,
          silent: true,
          returnByValue: true,
          awaitPromise,
          includeCommandLineAPI: commandLine,
        },
        timeoutMs,
      );
      if (!exceptionDetails) return result.value as T;
      const { text, exception } = exceptionDetails;
      throw new SpillwayError('refused', `evaluated in the agent: ${exception?.description ?? text}`);
    },
  };
}
