import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

/** A request that a server is about to hand to the agent, whatever the protocol. */
export interface Arrival {
  method: string;
  path: string;
  /** Its `User-Agent`. */
  agent: string | undefined;
  /** Of its body, as far as it says; 0 where it does not. */
  bodyBytes: number;
  /** The connection that it came on. */
  socket: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress'> | undefined;
  /** Calls it once, when the answer has ended or the client has gone. */
  onClose(listener: () => void): void;
  /** While it waits, nobody else listens for its errors. Returns how to end that. */
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

/** What `server.emit` is called with, where that is a request; `undefined` otherwise. */
export function arrivalOf(event: unknown, first: unknown, second: unknown): Arrival | undefined {
  if (event === 'stream') return isStream(first) ? ofStream(first, second as IncomingHttpHeaders) : undefined;
  if (event !== 'request' && event !== 'checkContinue' && event !== 'checkExpectation') return undefined;
  return isResponse(second) ? ofRequest(first as IncomingMessage, second) : undefined;
}

/** The stream of an HTTP/2 request that passed the gate with its `stream` event. */
export function streamOf(response: unknown): object | undefined {
  return (response as { stream?: object }).stream;
}

function ofRequest(request: IncomingMessage, response: ServerResponse): Arrival {
  const { method = '', url = '', headers, socket } = request;
  return {
    method,
    path: url,
    agent: headers['user-agent'],
    bodyBytes: Number(headers['content-length']) || 0,
    socket,
    onClose: (listener) => onEnd(request, response, listener),
    guard: () => ignore, // an IncomingMessage without listeners throws nothing
    refuse(seconds) {
      response.writeHead(503, { 'Retry-After': `${seconds}`, 'Content-Type': 'application/json' });
      response.end(OVERLOADED);
    },
  };
}

function ofStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Arrival {
  return {
    method: headers[':method'] ?? '',
    path: headers[':path'] ?? '',
    agent: headers['user-agent'],
    bodyBytes: Number(headers['content-length']) || 0,
    socket: stream.session?.socket,
    onClose: (listener) => void stream.once('close', listener),
    guard() {
      stream.on('error', ignore);
      return () => stream.off('error', ignore);
    },
    refuse(seconds) {
      if (stream.destroyed) return;
      stream.respond({ ':status': 503, 'retry-after': `${seconds}`, 'content-type': 'application/json' });
      stream.end(OVERLOADED);
    },
  };
}

/** An answer that waits for another on its connection, as with pipelining, never closes where the client has gone. */
function onEnd({ socket }: IncomingMessage, response: ServerResponse, listener: () => void): void {
  const ended = () => {
    response.off('close', ended);
    socket.off('close', ended);
    listener();
  };
  response.once('close', ended);
  if (response.socket === null) socket.once('close', ended);
}

function isResponse(value: unknown): value is ServerResponse {
  return typeof (value as ServerResponse | undefined)?.writeHead === 'function';
}

function isStream(value: unknown): value is ServerHttp2Stream {
  return typeof (value as ServerHttp2Stream | undefined)?.respond === 'function';
}
