import { SerialQueue } from '../../core/lib/serial-queue.ts';
import type { Collection, HeapFacts, Profile } from '../../core/model/heap.ts';
import type { AgentHook } from '../../core/ports/agent-hook.ts';
import type { ConnectInspector, InspectorSession } from '../../core/ports/inspector.ts';
import { asRuntimeError, type RuntimeClient } from '../../core/ports/runtime-client.ts';
import type { InspectorTarget } from '../../sources/inspector/target.ts';
import { awaitTurn, collectIn, collectInWorkers, heapFacts } from './collect.ts';
import { type Isolate, isolateOf } from './evaluator.ts';
import { createHookConnection } from './hook-connection.ts';
import { createInspectorConnection } from './inspector-connection.ts';
import { CATCHES_SIGTERM, FACTS, IN_FLIGHT, type IsolateFacts } from './scripts.ts';
import { NODE_TIMEOUTS, type NodeSignals, type NodeTimeouts } from './signals.ts';
import { takeSnapshot } from './snapshot.ts';
import { attachWorkers, type Workers } from './workers.ts';

/** A sampling heap profile of the agent's isolates; it ends with the connection. */
export interface NodeHeapProfiler {
  start(): Promise<void>;
  read(): Promise<Profile>;
}

export interface NodeClientOptions {
  target: InspectorTarget;
  connect: ConnectInspector;
  /** Whether and why not SIGUSR1 may be sent where no inspector is open. */
  signals: NodeSignals;
  timeouts?: Partial<NodeTimeouts>;
  /** The hook of the process, while it is connected: then neither port nor signal is needed. */
  hook?: () => AgentHook | undefined;
  /** Without it there is no profile. `workers` gives the sessions of those worker threads that run when it is asked. */
  profiler?: (main: InspectorSession, workers: () => readonly InspectorSession[]) => NodeHeapProfiler;
}

/** A hand in a Node process. */
export interface NodeClient extends RuntimeClient {
  readonly runtime: 'node';
  /** Where the inspector listens while it is in use: connections to it are no work. */
  readonly inspectorPort: number | null;
  facts(): Promise<HeapFacts>;
  inFlight(): Promise<number | null>;
}

/**
 * A hand in a Node process through its inspector: that of its hook, one that is open, or one that SIGUSR1 opens and `release`
 * closes again.
 *
 * Without a hook it needs the network namespace of the agent, and for the signal its uid and gid. The agent prints `Debugger listening on …`
 * and `Debugger attached.` to its standard error, as for any debugger.
 */
export function createNodeClient(options: NodeClientOptions): NodeClient {
  const timeouts = { ...NODE_TIMEOUTS, ...options.timeouts };
  const queue = new SerialQueue();
  const takeTurn = <T>(call: () => Promise<T>) => queue.next(() => call().catch(refuse));
  const inspector = createInspectorConnection({
    ...options,
    timeouts,
    beat: () => profiling && forgetLogged(profiling.workers),
  });
  const door = createHookConnection({ hook: options.hook ?? (() => undefined), inspector, timeouts });
  let profiling: { session: InspectorSession; workers: Workers; profiler: NodeHeapProfiler } | undefined;

  /** Work with the workers; a profile stays attached to them. */
  const withWorkers = async <T>(
    main: Isolate,
    work: (workers: Isolate[]) => Promise<T>,
    attachMs = timeouts.answerMs,
  ): Promise<T> => {
    const held = profiling?.session.open ? profiling.workers : undefined;
    const workers = held ?? (await attachWorkers(main.session, attachMs));
    if (door.opened || door.by === 'hook') forgetLogged(workers);
    try {
      return await work(workers.sessions.map((session) => isolateOf(session, main.commandLine)));
    } finally {
      if (!held) await workers.close();
    }
  };

  const startProfiler = async (create: NonNullable<NodeClientOptions['profiler']>) => {
    const main = await door.connect();
    if (profiling?.session.open) return profiling.profiler;
    await awaitTurn(main, timeouts);
    const workers = await attachWorkers(main.session, timeouts.answerMs);
    try {
      const profiler = create(main.session, () => workers.sessions);
      await profiler.start();
      profiling = { session: main.session, workers, profiler };
      return profiler;
    } catch (error) {
      await workers.close();
      throw error;
    }
  };

  const { profiler } = options;
  return {
    runtime: 'node',
    get inspectorPort() {
      return door.port;
    },
    get opened() {
      return door.opened;
    },
    get connection() {
      return door.by;
    },
    // what need not wait for each other goes out together: a busy agent answers one question between two pieces of work
    facts: () =>
      takeTurn(async () => {
        const ask = (isolate: Isolate) => isolate.evaluate<IsolateFacts>(FACTS, timeouts.answerMs);
        const main = await door.connect();
        const ofWorkers = withWorkers(main, (workers) => settled(workers.map(ask)));
        return heapFacts(...(await Promise.all([ask(main), ofWorkers])));
      }),
    collect: (way) =>
      takeTurn(async () => {
        const main = await door.connect();
        const turned = Promise.all([awaitTurn(main, timeouts), door.tidy()]);
        const collected = async (workers: Isolate[]): Promise<Collection> => {
          await turned;
          const own = await collectIn(main, way, timeouts);
          const others = await collectInWorkers(workers, way, timeouts);
          return {
            way,
            before: heapFacts(
              own.before,
              others.map(({ before }) => before),
            ),
            after: heapFacts(
              own.after,
              others.map(({ after }) => after),
            ),
            stallMs: own.stallMs,
            workers: others.length,
          };
        };
        // a loop that does not turn attaches nobody either
        const [, collection] = await Promise.all([turned, withWorkers(main, collected, timeouts.turnMs)]);
        return collection;
      }),
    ...(profiler && {
      startProfile: () => takeTurn(async () => void (await startProfiler(profiler))),
      profile: () =>
        takeTurn(async () => {
          const running = await startProfiler(profiler);
          await awaitTurn(await door.connect(), timeouts);
          return await running.read();
        }),
    }),
    snapshot: (write) =>
      queue.next(async () => {
        const main = await door.connect();
        await awaitTurn(main, timeouts);
        await takeSnapshot(main.session, write);
      }),
    inFlight: () =>
      takeTurn(async () => {
        if (door.by === 'none') return null; // nothing is opened for this
        try {
          const main = await door.connect();
          return await main.evaluate<number | null>(IN_FLIGHT, timeouts.answerMs);
        } catch {
          return null; // no connection: it is unknown
        }
      }),
    catchesSigterm: () =>
      takeTurn(async () => (await door.connect()).evaluate<boolean>(CATCHES_SIGTERM, timeouts.answerMs)),
    release: () => door.disconnect(),
  };
}

/** A worker that is attached to keeps what it logs, as the main thread does; it is not waited for. */
function forgetLogged({ sessions }: Workers): void {
  for (const session of sessions)
    if (session.open) session.send('Runtime.discardConsoleEntries').catch(() => {}); // busy: the next time will do
}

/** A failed read of `/proc` is one more reason why there is no connection. */
function refuse(thrown: unknown): never {
  throw asRuntimeError(thrown);
}

/** Those that came to an end well. */
async function settled<T>(all: Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(all);
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
