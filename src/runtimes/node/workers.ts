import { SpillwayError } from '../../core/lib/errors.ts';
import type { InspectorSession } from '../../core/ports/inspector.ts';

/** The agent's worker threads, each as a connection of its own within that to the main thread. */
export interface Workers {
  /** Those that run now. */
  readonly sessions: readonly InspectorSession[];
  /** Detaches from all of them. */
  close(): Promise<void>;
}

interface Waiting {
  resolve(result: never): void;
  reject(error: SpillwayError): void;
}
interface Message {
  id?: number;
  method?: string;
  params?: object;
  result?: object;
  error?: { message: string };
}

/**
 * Attaches to the workers that run and to those that start; they are not stopped for it.
 * @throws SpillwayError
 */
export async function attachWorkers(session: InspectorSession, timeoutMs: number): Promise<Workers> {
  const workers = new Map<string, ReturnType<typeof workerSession>>();
  const ends = [
    session.on<{ sessionId: string }>('NodeWorker.attachedToWorker', ({ sessionId }) => {
      workers.set(sessionId, workerSession(session, sessionId));
    }),
    session.on<{ sessionId: string }>('NodeWorker.detachedFromWorker', ({ sessionId }) => {
      workers.get(sessionId)?.end();
      workers.delete(sessionId);
    }),
    session.on<{ sessionId: string; message: string }>('NodeWorker.receivedMessageFromWorker', (event) =>
      workers.get(event.sessionId)?.receive(event.message),
    ),
  ];
  const close = async () => {
    for (const end of ends) end();
    for (const { end } of workers.values()) end();
    workers.clear();
    if (session.open) await session.send('NodeWorker.disable', {}, timeoutMs).catch(() => {}); // ends with the connection
  };
  try {
    // those that run are named before the answer
    await session.send('NodeWorker.enable', { waitForDebuggerOnStart: false }, timeoutMs);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get sessions() {
      return [...workers.values()].map((worker) => worker.session);
    },
    close,
  };
}

function workerSession(outer: InspectorSession, sessionId: string) {
  const waiting = new Map<number, Waiting>();
  const listeners = new Map<string, Set<(params: never) => void>>();
  let lastId = 0;
  let open = true;

  const session: InspectorSession = {
    get open() {
      return open && outer.open;
    },
    async send(method, params = {}, timeoutMs = 2000) {
      const id = ++lastId;
      const message = JSON.stringify({ id, method, params });
      let timer: NodeJS.Timeout | undefined;
      try {
        return await new Promise((resolve, reject) => {
          if (!session.open)
            reject(new SpillwayError('refused', 'the worker has ended', { retryable: true }));
          waiting.set(id, { resolve, reject });
          timer = setTimeout(
            () =>
              reject(new SpillwayError('timeout', `${method} in a worker timed out after ${timeoutMs} ms`)),
            timeoutMs,
          );
          outer.send('NodeWorker.sendMessageToWorker', { sessionId, message }, timeoutMs).catch(reject);
        });
      } finally {
        clearTimeout(timer);
        waiting.delete(id);
      }
    },
    on(event, listener) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set.add(listener));
      return () => set.delete(listener);
    },
    pause: () => outer.pause(),
    resume: () => outer.resume(),
    async close() {
      if (session.open) await outer.send('NodeWorker.detach', { sessionId }).catch(() => {}); // it has ended by itself
      open = false;
    },
  };
  return {
    session,
    receive(text: string) {
      const message = JSON.parse(text) as Message;
      if (message.id === undefined) {
        for (const listener of listeners.get(message.method ?? '') ?? [])
          listener((message.params ?? {}) as never);
        return;
      }
      const asked = waiting.get(message.id);
      if (message.error)
        asked?.reject(new SpillwayError('refused', `a worker answered: ${message.error.message}`));
      else asked?.resolve((message.result ?? {}) as never);
    },
    end() {
      open = false;
      for (const { reject } of waiting.values())
        reject(new SpillwayError('refused', 'the worker has ended', { retryable: true }));
    },
  };
}
