import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress } from '../../core/lib/address.ts';
import { SpillwayError } from '../../core/lib/errors.ts';
import type { ConnectInspector, InspectorSession } from '../../core/ports/inspector.ts';
import { goneError } from '../../core/ports/runtime-client.ts';
import type { InspectorEndpoint, InspectorTarget } from '../../sources/inspector/target.ts';
import { createInspectorActivation } from './activate-inspector.ts';
import { type Isolate, isolateOf } from './evaluator.ts';
import { armWatchdog, closeInspector, HANDSHAKE, type Handshake } from './scripts.ts';
import type { NodeSignals, NodeTimeouts } from './signals.ts';

export interface InspectorConnectionOptions {
  target: InspectorTarget;
  connect: ConnectInspector;
  signals: NodeSignals;
  timeouts: NodeTimeouts;
  /** Called with each renewal of the switch: what else the agent keeps because of the open inspector is to be let go too. */
  beat?(): void;
}

/** The way into a Node process through its inspector, and out again. */
export interface InspectorConnection {
  /** Where the inspector listens while it is in use. */
  readonly port: number | null;
  /** It is open because of a guardian. */
  readonly opened: boolean;
  /**
   * The agent's main thread: connected, known to be the one that is meant.
   * @throws SpillwayError
   */
  connect(): Promise<Isolate>;
  /**
   * Lets the agent forget what it holds only because its inspector was opened here.
   * @throws SpillwayError
   */
  tidy(): Promise<void>;
  /** Leaves, and closes what was opened; within two seconds, never throws. */
  disconnect(): Promise<void>;
}

/** All of `leave` fits into two seconds: an opening underway, the request to close, a check whether it was done. */
const LEAVE_MS = { entering: 700, close: 600, gone: 300 };
const LOOK_EVERY_MS = 20;

/**
 * Processes whose program has come to its end, and since when, whoever was connected: SIGUSR1 in that moment aborts Node 18 to
 * 22 (`start_io_thread_async_initialized`), which makes a failure of a job that is done.
 */
const ENDING = new Map<number, number>();
const ENDING_MS = 10_000;

function isEnding(pid: number): boolean {
  for (const [each, sinceMs] of ENDING) if (performance.now() - sinceMs > ENDING_MS) ENDING.delete(each);
  return ENDING.has(pid);
}

export function createInspectorConnection(options: InspectorConnectionOptions): InspectorConnection {
  const { target, connect, timeouts } = options;
  let endpoint: InspectorEndpoint | undefined;
  let inside: Isolate | undefined;
  /** The inspector is open because of a guardian: this one, or one before it that was killed. */
  let opened = false;
  let wanted = false;
  let entering: Promise<Isolate> | undefined;
  let leaving: Promise<void> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;
  const activation = createInspectorActivation({
    ...options,
    async late(found) {
      endpoint = found;
      opened = activation.opened(found);
      await (wanted ? enter() : leave());
    },
  });

  const renewSwitch = async (session: InspectorSession, at: InspectorEndpoint, pid: number) => {
    const { own, others } = await target.clients(at);
    const script = armWatchdog(pid, timeouts.switchMs, own, others);
    return isolateOf(session, true).evaluate<boolean | undefined>(script, timeouts.answerMs);
  };

  /** Makes sure of who it is; nothing else is done to a stranger. */
  const greet = async (session: InspectorSession, at: InspectorEndpoint): Promise<Isolate> => {
    const pid = target.innerPid();
    if (pid === undefined) throw goneError(target.pid);
    // a program that ends waits for its debuggers: leave at once, so that it need not
    session.on('NodeRuntime.waitingForDisconnect', () => {
      ENDING.set(target.pid, performance.now());
      void session.close();
    });
    const [greeting, , armed] = await Promise.all([
      isolateOf(session).evaluate<Handshake>(HANDSHAKE, timeouts.answerMs),
      session.send('NodeRuntime.notifyWhenWaitingForDisconnect', { enabled: true }, timeouts.answerMs),
      // without waiting for the answer: what is opened here must close even if the guardian ends now
      opened ? renewSwitch(session, at, pid) : undefined,
    ]);
    if (greeting.pid === undefined)
      throw new SpillwayError('refused', `process ${target.pid} waits for its debugger`, {
        retryable: true,
      });
    if (greeting.pid !== pid)
      throw new SpillwayError(
        'refused',
        `the inspector at ${formatAddress({ host: at.address, port: at.port })} belongs to process ${greeting.pid}`,
      );
    const inherited = greeting.armed && !opened;
    opened ||= inherited;
    if ((inherited ? await renewSwitch(session, at, pid) : armed) === false)
      throw new SpillwayError(
        'refused',
        `process ${pid} has frozen its global objects: its inspector would not close by itself if the guardian ended`,
        { hint: 'start the agent with --inspect' },
      );
    if (opened) {
      clearInterval(heartbeat);
      heartbeat = setInterval(() => {
        if (!session.open) return;
        renewSwitch(session, at, pid).catch(() => {}); // blocked: the next one may do
        options.beat?.();
      }, timeouts.switchMs / 3).unref();
    }
    return isolateOf(session, !greeting.builtin);
  };

  const open = async (): Promise<Isolate> => {
    if (!target.alive()) throw goneError(target.pid);
    const found = await target.find(timeouts.askMs);
    if (found) opened = (opened && found.inode === endpoint?.inode) || activation.answered(found);
    if (!found && isEnding(target.pid))
      throw new SpillwayError('refused', `process ${target.pid} has ended`, { retryable: true });
    endpoint = found ?? (await activation.ask(() => wanted));
    if (!found) opened = activation.opened(endpoint);
    const session = await connect(endpoint.url, timeouts.connectMs);
    try {
      return await greet(session, endpoint);
    } catch (error) {
      await session.close();
      throw error;
    }
  };

  const enter = async (): Promise<Isolate> => {
    await leaving;
    wanted = true;
    if (inside?.session.open) return inside;
    entering ??= open().finally(() => {
      entering = undefined;
    });
    inside = await entering;
    // a release came meanwhile and did not wait so long
    if (!wanted) void leave();
    return inside;
  };

  const gone = async (at: InspectorEndpoint, limitMs: number): Promise<boolean> => {
    for (let waited = 0; ; waited += LOOK_EVERY_MS) {
      if (!(await target.listening()).some(({ inode }) => inode === at.inode)) return true;
      if (waited >= limitMs) return false;
      await sleep(LOOK_EVERY_MS);
    }
  };

  /** A blocked agent answers nothing now; the request waits in it and is done although nobody is connected any more. */
  const close = async (at: InspectorEndpoint, pid: number): Promise<void> => {
    const session = inside?.session.open ? inside.session : await connect(at.url, LEAVE_MS.close / 2);
    try {
      await isolateOf(session, true).evaluate(closeInspector(pid), LEAVE_MS.close);
    } finally {
      await session.close();
    }
  };

  const depart = async (): Promise<void> => {
    clearInterval(heartbeat);
    if (entering) await Promise.race([entering.catch(() => {}), sleep(LEAVE_MS.entering)]);
    const pid = target.innerPid();
    try {
      // another client has come to what was opened here: it stays open until that one leaves
      if (opened && endpoint && pid !== undefined && (await target.clients(endpoint)).others === 0) {
        await close(endpoint, pid).catch(() => {}); // the answer may be the end of the connection; looked at below
        if (await gone(endpoint, LEAVE_MS.gone)) opened = false;
      }
    } catch {
      // not to be seen any more: the switch in the agent does it
    }
    await inside?.session.close();
    inside = undefined;
  };

  const leave = (): Promise<void> => {
    wanted = false;
    leaving ??= depart().finally(() => {
      leaving = undefined;
    });
    return leaving;
  };

  return {
    get port() {
      return inside?.session.open ? (endpoint?.port ?? null) : null;
    },
    get opened() {
      return opened && inside?.session.open === true;
    },
    connect: enter,
    async tidy() {
      const pid = target.innerPid();
      if (opened && endpoint && inside && pid !== undefined) await renewSwitch(inside.session, endpoint, pid);
    },
    disconnect: leave,
  };
}
