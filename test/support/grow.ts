import { connectInspector } from '../../src/adapters/inspector-client.ts';
import { SpillwayError } from '../../src/core/lib/errors.ts';
import type { InspectorSession } from '../../src/core/ports/inspector.ts';
import { start, until } from './started.ts';

/** The Node binaries to test on: the running one, and those that `TEST_NODES` names. */
export const NODES = [process.execPath, ...(process.env['TEST_NODES'] ?? '').split(':').filter(Boolean)];

export interface GrowingAgent extends AsyncDisposable {
  pid: number;
  session: InspectorSession;
  /** Resolves when it has leaked what it was to leak. */
  grown(): Promise<void>;
}

/** Starts a Node agent with an open inspector and connects to it; it has said `ready` and not yet begun to grow. */
export async function growingAgent(node: string, args: string[], cwd?: string): Promise<GrowingAgent> {
  const agent = await start(node, ['--inspect=0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  let said = '';
  agent.child.stderr?.on('data', (data) => {
    said += String(data);
  });
  try {
    await until(() => /ws:\S+/.test(said) && agent.output().includes('ready'));
    const session = await connectInspector(/ws:\S+/.exec(said)?.[0] ?? '', 2000);
    return {
      pid: agent.pid,
      session,
      grown: () => until(() => agent.output().includes('grown')),
      async [Symbol.asyncDispose]() {
        await session.close();
        agent.kill();
      },
    };
  } catch (error) {
    agent.kill();
    throw error;
  }
}

/** The session of the only worker thread, through the `NodeWorker` domain of the main one. */
export async function workerSession(main: InspectorSession): Promise<InspectorSession> {
  const listeners = new Map<string, Set<(params: never) => void>>();
  const waiting = new Map<number, (message: { result?: object; error?: object }) => void>();
  const attached = new Promise<string>((resolve) => {
    main.on<{ sessionId: string }>('NodeWorker.attachedToWorker', ({ sessionId }) => resolve(sessionId));
  });
  main.on<{ message: string }>('NodeWorker.receivedMessageFromWorker', ({ message }) => {
    const said = JSON.parse(message);
    if (said.id !== undefined) waiting.get(said.id)?.(said);
    else for (const listener of listeners.get(said.method) ?? []) listener(said.params as never);
  });
  await main.send('NodeWorker.enable', { waitForDebuggerOnStart: false });
  const sessionId = await attached;
  let lastId = 0;
  return {
    open: true,
    async send(method, params = {}) {
      const id = ++lastId;
      const answer = new Promise<{ result?: object; error?: object }>((resolve) => waiting.set(id, resolve));
      await main.send('NodeWorker.sendMessageToWorker', {
        sessionId,
        message: JSON.stringify({ id, method, params }),
      });
      const { result, error } = await answer;
      if (error) throw new SpillwayError('refused', JSON.stringify(error));
      return result as never;
    },
    on: () => () => false,
    pause: () => {},
    resume: () => {},
    close: async () => {},
  };
}
