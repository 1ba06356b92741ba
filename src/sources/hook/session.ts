import { SpillwayError } from '../../core/lib/errors.ts';
import type { CdpMessage } from '../../core/model/hook-messages.ts';
import type { InspectorSession } from '../../core/ports/inspector.ts';

const ANSWER_MS = 2000;

/** What carries the messages of a session. */
export interface SessionLink {
  readonly open: boolean;
  send(message: CdpMessage): void;
  pause(): void;
  resume(): void;
  /** The session is not needed any more. */
  end(): void;
}

export interface HookSession {
  readonly session: InspectorSession;
  receive(message: CdpMessage): void;
  /** No answer comes any more. */
  lost(why: string): void;
}

interface Call {
  resolve(result: never): void;
  reject(error: SpillwayError): void;
  timer: NodeJS.Timeout;
}

/** A session of the inspector in a hook's process. */
export function createHookSession(link: SessionLink): HookSession {
  const calls = new Map<number, Call>();
  const listeners = new Map<string, Set<(params: never) => void>>();
  let lastId = 0;
  let open = true;

  const lost = (why: string) => {
    open = false;
    for (const { reject, timer } of calls.values()) {
      clearTimeout(timer);
      reject(new SpillwayError('refused', why, { retryable: true }));
    }
    calls.clear();
  };
  const session: InspectorSession = {
    get open() {
      return open && link.open;
    },
    send: (method, params = {}, timeoutMs = ANSWER_MS) =>
      new Promise((resolve, reject) => {
        if (!session.open) {
          reject(new SpillwayError('refused', 'the hook is not connected', { retryable: true }));
          return;
        }
        const id = ++lastId;
        const timer = setTimeout(() => {
          calls.delete(id);
          reject(new SpillwayError('timeout', `${method} timed out after ${timeoutMs} ms`));
        }, timeoutMs);
        calls.set(id, { resolve, reject, timer });
        link.send({ id, method, params });
      }),
    on(event, listener) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set.add(listener));
      return () => set.delete(listener);
    },
    pause: () => link.pause(),
    resume: () => link.resume(),
    async close() {
      if (session.open) link.end();
      lost('the session was closed');
    },
  };
  return {
    session,
    lost,
    receive({ id, method, params = {}, result = {}, error }) {
      if (id === undefined) {
        for (const listener of listeners.get(method ?? '') ?? []) listener(params as never);
        return;
      }
      const call = calls.get(id);
      if (!call) return; // answered too late
      calls.delete(id);
      clearTimeout(call.timer);
      if (error) call.reject(new SpillwayError('refused', `the hook answered: ${String(error.message)}`));
      else call.resolve(result as never);
    },
  };
}
