import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isLoopback } from '../core/lib/address.ts';
import { describeError, SpillwayError } from '../core/lib/errors.ts';
import { deny } from './admin-access.ts';
import { fail, MAX_HEADER_BYTES, refuseBroken, retryAfter, sendJson } from './http-answer.ts';
import { listenOn } from './listen.ts';

const MAX_CONNECTIONS = 16;
/** A request needs no body; what comes all the same is read up to this size and ignored. */
const MAX_BODY_BYTES = 16 * 1024;
const MAX_PROFILE_SECONDS = 60;
const CLOSE_GRACE_MS = 1000;
/** When to ask again what cannot be done now: about as long as a plan waits that was refused for a moment. */
const RETRY_SECONDS = { busy: 1, unavailable: 10 };

/**
 * What may be asked for. Each throws SpillwayError `busy` when the same is being done already, and `unavailable` when it
 * cannot be done here or now; what it resolves to is the answer.
 */
export interface AdminServerDeps {
  /** Collects the agent's garbage now. */
  collect(): Promise<object>;
  /** What grew; `seconds` 0 is what is known since sampling began, else sampled for so long from now. */
  profile(seconds: number): Promise<object>;
  /** Streams a heap snapshot to a file; answers where it is and its size. */
  snapshot(): Promise<object>;
  /** Asked of every request; `undefined`: none is needed. */
  token: string | undefined;
  /** Gets what one of the above threw otherwise; the client gets 500. */
  onError(error: unknown): void;
}

/** What acts on the agent, apart from the reads that anybody may have: an address of its own, loopback by default. */
export interface AdminServer {
  /** @throws SpillwayError `listen` when the address cannot be bound; port 0 takes a free one, which is returned */
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /** Stops listening; running answers get a second. */
  close(): Promise<void>;
}

type Action = (query: URLSearchParams) => Promise<object>;

export function createAdminServer(deps: AdminServerDeps): AdminServer {
  const actions = new Map<string, Action>([
    ['/v1/gc', () => deps.collect()],
    ['/v1/profile', (query) => deps.profile(secondsOf(query))],
    ['/v1/snapshot', () => deps.snapshot()],
  ]);
  const running = new Set<string>();
  let loopback = true;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!bounded(request)) return fail(response, 413, 'a body is not allowed', { Connection: 'close' });
    const denial = deny(request, { loopback, token: deps.token });
    if (denial) return fail(response, denial.status, denial.message, denial.headers);
    const [path = '', query] = (request.url ?? '/').split('?', 2);
    const action = actions.get(path);
    if (!action) return fail(response, 404, 'no such route');
    if (request.method !== 'POST') return fail(response, 405, 'the only method is POST', { Allow: 'POST' });
    if (running.has(path)) return failBusy(response, 'this action already runs');
    running.add(path);
    try {
      const result = await action(new URLSearchParams(query));
      sendJson(response, 200, JSON.stringify(result));
    } catch (error) {
      refuse(response, error);
    } finally {
      running.delete(path);
    }
  }

  function refuse(response: ServerResponse, error: unknown): void {
    const { code } = SpillwayError.from(error);
    if (code === 'request') fail(response, 400, describeError(error));
    else if (code === 'busy') failBusy(response, describeError(error));
    else if (code === 'unavailable')
      fail(response, 503, describeError(error), retryAfter(RETRY_SECONDS.unavailable));
    else {
      deps.onError(error);
      fail(response, 500, 'the guardian failed to answer');
    }
  }

  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      answer(request, response).catch(deps.onError);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.on('drop', () => server.closeIdleConnections());
  server.on('clientError', refuseBroken);

  return {
    async listen(address) {
      const bound = await listenOn(server, address, '--admin-listen', '127.0.0.1:9798');
      loopback = isLoopback(bound.host);
      return bound;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS).unref();
      }),
  };
}

function failBusy(response: ServerResponse, message: string): void {
  fail(response, 409, message, retryAfter(RETRY_SECONDS.busy));
}

/** Reads a body to its end, or up to the bound: then the connection is cut. False when it says itself that it is larger. */
function bounded(request: IncomingMessage): boolean {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) request.destroy();
  });
  return Number(request.headers['content-length'] ?? 0) <= MAX_BODY_BYTES;
}

/** @throws SpillwayError `request` */
function secondsOf(query: URLSearchParams): number {
  const given = query.getAll('seconds');
  if (given.length === 0) return 0;
  const [text = ''] = given;
  const seconds = Number(text);
  if (given.length > 1 || !/^\d+(\.\d+)?$/.test(text) || seconds > MAX_PROFILE_SECONDS)
    throw new SpillwayError('request', `seconds must be a number from 0 to ${MAX_PROFILE_SECONDS}`);
  return seconds;
}
