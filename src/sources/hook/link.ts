import type { Socket } from 'node:net';
import { SpillwayError } from '../../core/lib/errors.ts';
import { LineSplitter } from '../../core/lib/line-splitter.ts';
import {
  type GuardianMessage,
  type HookHello,
  type HookMessage,
  type HookState,
  MOST_FROM_HOOK,
  parseHookMessage,
  renderMessage,
} from '../../core/model/hook-messages.ts';
import type { AgentHook } from '../../core/ports/agent-hook.ts';
import { createHookSession, type HookSession } from './session.ts';

export interface LinkEvents {
  /** Who it says it is; nothing else is heard until it is accepted. @returns its pid as seen from here, or `undefined` */
  greet(hello: HookHello, link: HookLink): number | undefined;
  state(link: HookLink, state: HookState): void;
  closed(link: HookLink): void;
}

/** So much may wait to be read by an agent that is blocked. */
const MOST_WAITING = 1024 * 1024;
const GREETING_MS = 5000;
/** Who waits is admitted or refused within 10 s, and the hook says so: a process that says nothing for so long is blocked, and others may be free. */
const WAIT_STANDS_MS = 15_000;

/** One connection of a hook. */
export class HookLink implements AgentHook {
  /** 0 before it is accepted. */
  pid = 0;
  state: HookState | undefined;
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #askers = new Set<(state: HookState) => void>();
  readonly #lostAskers = new Set<() => void>();
  #session: HookSession | undefined;
  #blocked: NodeJS.Timeout | undefined;

  constructor(socket: Socket, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    const lines = new LineSplitter(MOST_FROM_HOOK);
    socket.setEncoding('utf8');
    // who says nothing is no hook
    const late = setTimeout(() => this.pid === 0 && socket.destroy(), GREETING_MS).unref();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(late);
      clearTimeout(this.#blocked);
      this.#session?.lost('the hook has disconnected');
      for (const lost of this.#lostAskers) lost();
      this.#events.closed(this);
    });
    socket.on('data', (text: string) => {
      try {
        for (const line of lines.push(text)) if (!socket.destroyed) this.#hear(parseHookMessage(line));
      } catch {
        socket.destroy(); // not as the protocol wants it
      }
    });
  }

  get open(): boolean {
    return this.pid !== 0 && !this.#socket.destroyed;
  }

  send(message: GuardianMessage): void {
    if (this.#socket.destroyed) return;
    // an agent that is blocked reads nothing: what memory does is said again when it does
    if (message.type === 'memory' && this.#socket.writableLength > MOST_WAITING) return;
    this.#socket.write(renderMessage(message));
  }

  ask(timeoutMs: number): Promise<HookState> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#askers.delete(answered);
        this.#lostAskers.delete(lost);
      };
      const answered = (state: HookState) => {
        done();
        resolve(state);
      };
      const lost = () => {
        done();
        reject(new SpillwayError('refused', 'the hook has disconnected', { retryable: true }));
      };
      const timer = setTimeout(() => {
        done();
        reject(
          new SpillwayError('timeout', `the hook did not answer within ${timeoutMs} ms`, { retryable: true }),
        );
      }, timeoutMs);
      this.#askers.add(answered);
      this.#lostAskers.add(lost);
      if (this.open) this.send({ type: 'ask' });
      else lost();
    });
  }

  inspect(): HookSession['session'] {
    this.#session?.lost('another session was opened');
    this.send({ type: 'cdp-open' });
    const own: HookSession = createHookSession({
      open: true,
      send: (message) => this.send({ type: 'cdp', message }),
      pause: () => this.#socket.pause(),
      resume: () => this.#socket.resume(),
      end: () => {
        if (this.#session !== own) return;
        this.#session = undefined;
        this.send({ type: 'cdp-close' });
      },
    });
    this.#session = own;
    return own.session;
  }

  close(): void {
    this.#socket.destroy();
  }

  #hear(message: HookMessage | undefined): void {
    if (message === undefined) return;
    if (message.type === 'hello') {
      const pid = this.pid === 0 ? this.#events.greet(message, this) : undefined;
      if (pid === undefined) this.#socket.destroy();
      else this.pid = pid;
      return;
    }
    if (this.pid === 0) {
      this.#socket.destroy();
      return;
    }
    if (message.type === 'cdp') this.#session?.receive(message.message);
    else {
      this.state = message;
      clearTimeout(this.#blocked);
      const waitsForNone = () => (this.state = { ...message, waitMs: 0 });
      if (message.waitMs > 0) this.#blocked = setTimeout(waitsForNone, WAIT_STANDS_MS).unref();
      for (const answered of this.#askers) answered(message);
      this.#events.state(this, message);
    }
  }
}
