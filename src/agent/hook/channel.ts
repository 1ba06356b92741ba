import { readFileSync } from 'node:fs';
import type * as Net from 'node:net';
import { type Backoff, waitAfter } from '../../core/lib/backoff.ts';
import { LineSplitter } from '../../core/lib/line-splitter.ts';
import {
  type GuardianMessage,
  HOOK_VERSION,
  type HookMessage,
  MOST_FROM_GUARDIAN,
  parseGuardianMessage,
  renderMessage,
} from '../../core/model/hook-messages.ts';
import { parseStat } from '../../core/proc/proc-text.ts';
import { socketIn } from './place.ts';
import { builtin, every, later, quietly, untraced, type Waiting } from './quiet.ts';

export interface ChannelEvents {
  /** A message of a guardian that has greeted first; the first one is its greeting. */
  message(message: GuardianMessage): void;
  /** The guardian is gone, or is not to be trusted any more. */
  closed(): void;
  /** Whether much may be on its way: a guardian that writes a snapshot takes its time. */
  busy(): boolean;
}

const RETRY_MS: Backoff = { first: 250, longest: 15_000 };
/** What waits to be sent keeps a process from its end, and fills its memory: a guardian that reads nothing for so many looks is left. */
const LOOK_MS = 500;
const STALLED_LOOKS = { idle: 2, busy: 20 };
/** What tells the state is dropped while so much waits to be sent. */
const MOST_WAITING = 1024 * 1024;

/** The connection to the guardian: opened on demand, and again and again from then on, while the process lives. */
export class Channel {
  readonly #directory: string;
  readonly #events: ChannelEvents;
  #socket: Net.Socket | undefined;
  #greeted = false;
  #failures = 0;
  #watch: Waiting | undefined;

  constructor(directory: string, events: ChannelEvents) {
    this.#directory = directory;
    this.#events = events;
  }

  /** The guardian has greeted. */
  get open(): boolean {
    return this.#greeted;
  }

  /** Connects, now and whenever the connection is lost. */
  connect(): void {
    const path = socketIn(this.#directory);
    if (path === undefined) {
      this.#retry();
      return;
    }
    const socket = open(path);
    this.#socket = socket;
    socket.unref();
    socket.setEncoding('utf8');
    const lines = new LineSplitter(MOST_FROM_GUARDIAN);
    const drop = () => void socket.destroy();
    socket.on('error', drop);
    socket.on('connect', () =>
      quietly(() => {
        this.#write(socket, {
          ...{ type: 'hello', version: HOOK_VERSION, pid: process.pid },
          ...{ start: startTicks(), node: process.version },
        });
      }, drop),
    );
    socket.on('data', (text: string) =>
      quietly(() => {
        for (const line of lines.push(text)) if (!socket.destroyed) this.#hear(line);
      }, drop),
    );
    socket.on('end', drop);
    socket.on('close', () => quietly(() => this.#closed(socket)));
  }

  /** Sends it where the guardian is there; what only tells the state is dropped while the guardian is behind. */
  send(message: HookMessage): void {
    const socket = this.#socket;
    if (!socket || !this.#greeted) return;
    if (message.type === 'state' && socket.writableLength > MOST_WAITING) return;
    this.#write(socket, message);
  }

  /** Ends the connection; it is tried again later. */
  drop(): void {
    this.#socket?.destroy();
  }

  #write(socket: Net.Socket, message: HookMessage): void {
    const text = renderMessage(message);
    // what waits to be sent must not count against the limit of the agent's heap
    socket.write(text.length > MOST_WAITING / 64 ? Buffer.from(text) : text);
    if (socket.writableLength > 0) this.#watch ??= this.#watchFor(socket);
  }

  #hear(line: string): void {
    const message = parseGuardianMessage(line);
    if (message === undefined) return;
    if (!this.#greeted) {
      if (message.type !== 'hello' || message.version !== HOOK_VERSION) {
        this.drop();
        return;
      }
      this.#greeted = true;
      this.#failures = 0;
    }
    this.#events.message(message);
  }

  #closed(socket: Net.Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#watch?.cancel();
    this.#watch = undefined;
    const greeted = this.#greeted;
    this.#greeted = false;
    this.#retry();
    if (greeted) this.#events.closed();
  }

  #retry(): void {
    this.#failures++;
    later(waitAfter(RETRY_MS, this.#failures), () => this.connect());
  }

  #watchFor(socket: Net.Socket): Waiting {
    let looks = 0;
    let before = Number.POSITIVE_INFINITY;
    const watch = every(LOOK_MS, () => {
      const waiting = socket.writableLength;
      looks = waiting < before ? 0 : looks + 1;
      before = waiting;
      const { busy, idle } = STALLED_LOOKS;
      if (waiting > 0 && looks >= (this.#events.busy() ? busy : idle)) socket.destroy();
      if (waiting > 0 && !socket.destroyed) return;
      watch.cancel();
      this.#watch = undefined;
    });
    return watch;
  }
}

/** Connects, unseen by what traces the connections of the agent. */
function open(path: string): Net.Socket {
  const { Socket } = builtin<typeof Net>('node:net');
  const socket = new Socket();
  // Node takes an array for options as any object; Datadog's wrapper takes it for a list of arguments, finds none, and passes it on
  const options: Net.NetConnectOpts = Object.assign([], { path });
  const connect: (this: Net.Socket, options: Net.NetConnectOpts) => Net.Socket = Socket.prototype.connect;
  return untraced(connect).call(socket, options);
}

/** When this process started, as its guardian reads it. */
function startTicks(): number | null {
  try {
    return parseStat(untraced(readFileSync)('/proc/self/stat', 'latin1'), '/proc/self/stat').startTime;
  } catch {
    return null;
  }
}
