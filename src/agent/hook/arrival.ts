import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { MAX_WAIT_MS } from '../../core/pressure/gate/entry.ts';

/** A request that a server is about to hand to the agent, whatever the protocol. */
export interface Arrival {
  readonly method: string;
  readonly path: string;
  /** Its `User-Agent`. */
  readonly agent: string | undefined;
  /** Of its body, as far as it says; 0 where it does not. */
  readonly bodyBytes: number;
  /** How long it may wait, where that is less than usual. */
  readonly maxWaitMs?: number | undefined;
  /** The connection that it came on. */
  readonly socket: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress'> | undefined;
  /** Calls it once, when the answer has ended or the client has gone. */
  onClose(listener: () => void): void;
  /** While it waits, nobody else listens for its errors, and its connection is not idle. Returns how to end that. */
  guard(): () => void;
  /** Answers 503. */
  refuse(retryAfterSeconds: number): void;
}

/** The body of a 503, whoever answers it. */
export const OVERLOADED = JSON.stringify({
  error: 'overloaded',
  message: 'The agent is short of memory. Try again after the time in Retry-After.',
});
const ignore = () => {};
/** Of the body of a request that waits so much is read ahead at most, as without the gate. */
export const READ_AHEAD_BYTES = 64 * 1024;

/** What `server.emit` is called with, where that is a request; `undefined` otherwise. */
export function arrivalOf(event: unknown, first: unknown, second: unknown): Arrival | undefined {
  if (event === 'stream')
    return isStream(first) ? new StreamArrival(first, second as IncomingHttpHeaders) : undefined;
  if (event !== 'request' && event !== 'checkContinue' && event !== 'checkExpectation') return undefined;
  return isRequest(first) && isResponse(second) ? new RequestArrival(first, second) : undefined;
}

/** The connection of a WebSocket or of another tunnel that a server is about to hand to the agent; `undefined` where it is none. */
export function tunnelOf(event: unknown, first: unknown, second: unknown): Socket | undefined {
  if (event !== 'upgrade' && event !== 'connect') return undefined;
  // with HTTP/2 it is a stream, and has come as one
  return isRequest(first) && !isResponse(second) ? (second as Socket) : undefined;
}

/** What is the same in all events of a request: with HTTP/2 its stream, which has an event of its own. */
export function identityOf(event: unknown, first: unknown): object {
  const request = first as { stream?: object };
  return (event !== 'stream' && request.stream) || request;
}

/** What waits for the end of a connection: one listener for all, as Node warns of more than ten. */
const whenClosed = new WeakMap<Socket, Set<() => void>>();

function closingOf(socket: Socket): Set<() => void> {
  const known = whenClosed.get(socket);
  if (known) return known;
  const listeners = new Set<() => void>();
  whenClosed.set(socket, listeners);
  socket.on('close', () => {
    for (const listener of listeners) listener();
  });
  return listeners;
}

class RequestArrival implements Arrival {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get method(): string {
    return this.#request.method ?? '';
  }
  get path(): string {
    return this.#request.url ?? '';
  }
  get agent(): string | undefined {
    return this.#request.headers['user-agent'];
  }
  get bodyBytes(): number {
    return Number(this.#request.headers['content-length']) || 0;
  }
  /** Of a large body most is read after the wait, and Node ends a request that takes too long (408): half of that time stays for it. */
  get maxWaitMs(): number | undefined {
    const { requestTimeout = 0 } = (this.socket as Socket & { server?: Partial<Server> }).server ?? {};
    if (this.bodyBytes <= READ_AHEAD_BYTES || requestTimeout <= 0) return undefined;
    return Math.min(MAX_WAIT_MS, requestTimeout / 2);
  }
  get socket(): Socket {
    return this.#request.socket;
  }

  onClose(listener: () => void): void {
    const response = this.#response;
    if (response.socket !== null) {
      response.on('close', listener); // it closes once
      return;
    }
    // an answer that waits for another on its connection, as with pipelining, never closes where the client has gone
    const closing = closingOf(this.socket);
    const ended = () => {
      response.off('close', ended);
      closing.delete(ended);
      listener();
    };
    response.on('close', ended);
    closing.add(ended);
  }

  guard(): () => void {
    const { socket } = this;
    const { timeout } = socket;
    if (!timeout) return ignore; // an IncomingMessage without listeners throws nothing
    socket.setTimeout(0);
    return () => socket.setTimeout(timeout);
  }

  refuse(seconds: number): void {
    this.#response.writeHead(503, { 'Retry-After': `${seconds}`, 'Content-Type': 'application/json' });
    this.#response.end(OVERLOADED);
  }
}

class StreamArrival implements Arrival {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.#headers = headers;
  }

  get method(): string {
    return this.#headers[':method'] ?? '';
  }
  get path(): string {
    return this.#headers[':path'] ?? '';
  }
  get agent(): string | undefined {
    return this.#headers['user-agent'];
  }
  get bodyBytes(): number {
    return Number(this.#headers['content-length']) || 0;
  }
  get socket(): Socket | undefined {
    return this.#stream.session?.socket as Socket | undefined;
  }

  onClose(listener: () => void): void {
    this.#stream.on('close', listener);
  }

  guard(): () => void {
    this.#stream.on('error', ignore);
    return () => this.#stream.off('error', ignore);
  }

  refuse(seconds: number): void {
    const stream = this.#stream;
    stream.on('error', ignore); // the agent never sees it, and so does not listen
    if (stream.destroyed || stream.closed) return;
    stream.respond({ ':status': 503, 'retry-after': `${seconds}`, 'content-type': 'application/json' });
    if (!stream.writableEnded) stream.end(OVERLOADED); // that to HEAD has ended
  }
}

/** One that has come over a connection; a program may also make them itself, and they end as it likes. */
function isRequest(value: unknown): value is IncomingMessage {
  const { stream, socket } = (value ?? {}) as { stream?: object; socket?: { server?: object } };
  return stream !== undefined || socket?.server !== undefined;
}

function isResponse(value: unknown): value is ServerResponse {
  return typeof (value as ServerResponse | undefined)?.writeHead === 'function';
}

function isStream(value: unknown): value is ServerHttp2Stream {
  return typeof (value as ServerHttp2Stream | undefined)?.respond === 'function';
}
