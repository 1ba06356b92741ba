import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errnoOf } from '../core/lib/errors.ts';

/** Request line and headers together, in bytes; more is answered 431. */
export const MAX_HEADER_BYTES = 8192;
export const JSON_TYPE = 'application/json; charset=utf-8';
// A response of hundreds of kilobytes that nobody reads would keep its buffer alive: at one new history a second this
// bounds what slow readers can hold to ten of them.
const LARGE_RESPONSE_MS = 10_000;

/** Code of the error object for each status. */
const PROBLEMS = {
  400: 'request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request',
  409: 'busy',
  413: 'request',
  431: 'request',
  500: 'internal',
  503: 'unavailable',
} as const;

type ProblemStatus = keyof typeof PROBLEMS;
type Headers = Record<string, string>;
type Part = string | Buffer;

/** What an answer says: parts that are sent as they are. */
interface Content {
  type: string;
  parts: readonly Part[];
}

/** A whole answer; never kept by caches on the way. */
export function send(
  response: ServerResponse,
  status: number,
  { type, parts }: Content,
  headers: Headers = {},
): void {
  const length = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': length,
    'Cache-Control': 'no-store',
    ...headers,
  });
  const last = parts.length - 1;
  for (let i = 0; i < last; i++) response.write(parts[i]);
  response.end(parts[last]);
}

/** An answer in JSON, already rendered. */
export function sendJson(
  response: ServerResponse,
  status: number,
  json: string | Buffer,
  headers: Headers = {},
): void {
  send(response, status, { type: JSON_TYPE, parts: [json] }, headers);
}

/** A 200 that may be large; a client that has not read it after ten seconds is cut off. */
export function sendLarge(response: ServerResponse, type: string, parts: readonly Part[]): void {
  const deadline = setTimeout(() => response.destroy(), LARGE_RESPONSE_MS).unref();
  response.once('close', () => clearTimeout(deadline));
  send(response, 200, { type, parts });
}

/** The API's error object with a fitting status. */
export function fail(
  response: ServerResponse,
  status: ProblemStatus,
  message: string,
  headers: Headers = {},
): void {
  sendJson(response, status, problem(status, message), headers);
}

/** `Retry-After` takes whole seconds; 0 would invite the client back at once. */
export function retryAfter(seconds: number): { 'Retry-After': string } {
  return { 'Retry-After': String(Math.max(1, Math.ceil(seconds) || 1)) };
}

/** A text as a header may carry it. */
export function headerSafe(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '-');
}

/** Answers what the parser refused, where there is no request yet to answer to. */
export function refuseBroken(error: Error, socket: Duplex): void {
  const code = errnoOf(error);
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, text, message] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ([
          431,
          'Request Header Fields Too Large',
          `headers are limited to ${MAX_HEADER_BYTES} bytes`,
        ] as const)
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ([408, 'Request Timeout', 'the request timed out'] as const)
        : ([400, 'Bad Request', 'the request is not HTTP/1.1'] as const);
  const body = problem(status, message);
  const head = [
    `HTTP/1.1 ${status} ${text}`,
    `Content-Type: ${JSON_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function problem(status: ProblemStatus, message: string): string {
  return JSON.stringify({ error: { code: PROBLEMS[status], message } });
}
