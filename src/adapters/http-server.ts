import { createServer, type IncomingMessage } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { isLoopback } from '../core/lib/address.ts';
import { messageOf } from '../core/lib/errors.ts';
import { hostName, isPublicName } from '../core/lib/host-name.ts';
import { parseDuration } from '../core/lib/units.ts';
import type { Status } from '../core/model/status.ts';
import { parseWeight } from '../core/pressure/admission.ts';
import { cachedByObject, cachedByVersion, cachedForMs } from './cached.ts';
import { type ConnectionBounds, Connections, type Most } from './connections.ts';
import {
  fail,
  headerSafe,
  JSON_TYPE,
  MAX_HEADER_BYTES,
  refuseBroken,
  retryAfter,
  sendJson,
  sendLarge,
} from './http-answer.ts';
import { listenOn } from './listen.ts';
import { servePage } from './page.ts';
import { StatusStream, type StreamMessage } from './status-stream.ts';

/**
 * Connections kept, of this pod and of others. Behind one address of others there may be many clients (kube-proxy, a
 * balancer), but hardly more than this at the same moment: an answer takes a millisecond.
 */
const CONNECTIONS: ConnectionBounds = {
  own: { total: 1280, perPeer: 1280 },
  others: { total: 512, perPeer: 128 },
};
/** Streams served at the same time to one address; the next one is answered 503. The library opens one in each process. */
const STREAMS: Most = { own: 1024, others: 64 };
/** Answers under way to one address beyond which it gets no large one: what it does not read piles up in the kernel. */
const LARGE: Most = { own: 64, others: 8 };
/** Answers to one address that wait for room: a connection each, so that as many are left for what asks without waiting. */
const WAITING: Most = { own: 1024, others: 64 };
/** Proxies give up after 60 s. */
const MAX_WAIT_MS = 60_000;
const IDLE_MS = 15_000;
const HISTORY_MAX_AGE_MS = 1000;
const METRICS_MAX_AGE_MS = 250;
const CLOSE_GRACE_MS = 1000;
/** So often Node looks for requests that are late, whether there are any or not: each look wakes a guardian at rest. */
const CHECK_MS = 2000;

/** The answer to one request for admission. */
export interface AdmitAnswer {
  admitted: boolean;
  /** Seconds; sent rounded up, at least 1. */
  retryAfterSeconds: number;
  /** In words. */
  reason: string;
}

/** Where the server gets its answers. Every function is called inside a request and must return at once. */
export interface HttpServerDeps {
  /** Called before anything else for each request and connection: takes an overdue sample, so that a flood cannot delay it. */
  onRequest(): void;
  /** A probe of readiness gets this answer; that of the kubelet is known by its `User-Agent: kube-probe/…`. */
  onReadiness(ready: boolean, byKubelet: boolean): void;
  /** Whether the guardian's own loop ticks. */
  livez(): boolean;
  status(): Status;
  /** A number that changes whenever `status()` may answer something new; in between its text is reused. */
  statusVersion(): number;
  /** Seconds after which a refused client may come back. */
  retryAfterSeconds(): number;
  admit(weight: number): AdmitAnswer;
  /** The same for one that waits until there is room. `answer` is called once, unless it leaves before; returns how to leave. */
  wait(weight: number, maxWaitMs: number, answer: (given: AdmitAnswer) => void): () => void;
  /** The file of the page at `/`, as the build makes it. */
  page: string;
  /** Body of `/v1/history`; asked for at most once a second. */
  history(): object;
  /** The last reports, newest first; a report is never changed. */
  postMortems(): readonly { id: string }[];
  metrics: { contentType: string; render(): Promise<string> };
  /** Follows the messages of `/v1/stream`; called only while there are clients. Returns how to end it. */
  subscribe(listener: (message: StreamMessage) => void): () => void;
  /** Gets what one of the above threw; the client gets 500. */
  onError(error: unknown): void;
}

/** The probes, metrics and status of the guardian over HTTP: reads only. */
export interface HttpServer {
  /** @throws SpillwayError `listen` when the address cannot be bound; port 0 takes a free one, which is returned */
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /** Stops listening and ends all streams at once; running answers get a second. */
  close(): Promise<void>;
  /** Clients of `/v1/stream` now, and dropped so far because they did not read. */
  streams(): { clients: number; dropped: number };
}

export function createHttpServer(deps: HttpServerDeps): HttpServer {
  const streams = new StatusStream(deps.subscribe);
  const app = routes(deps, streams, {
    stream: (request) => connections.streaming(request, STREAMS),
    large: (request) => !connections.crowds(request, LARGE),
    wait: (request) => !connections.crowds(request, WAITING),
  });
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      // what is sent in one piece is here at once, or after one lost packet
      headersTimeout: 2_000,
      requestTimeout: 5_000,
      // Longer than the 60 s for which nginx and Envoy keep an idle connection: the side that reuses must be first to close.
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => {
      deps.onRequest();
      if (connections.answering(request, response)) app(request, response);
    },
  );
  const connections = new Connections(server, CONNECTIONS);
  server.maxRequestsPerSocket = 0; // nothing piles up on a connection that would need a fresh one
  server.timeout = IDLE_MS;
  server.on('connection', () => deps.onRequest());
  server.on('clientError', (error, socket) => {
    deps.onRequest();
    refuseBroken(error, socket);
  });

  return {
    listen: (address) => listenOn(server, address, '--listen', '[::]:9797'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        streams.close();
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS).unref();
      }),
    streams: () => ({ clients: streams.clients, dropped: streams.dropped }),
  };
}

function routes(
  deps: HttpServerDeps,
  streams: StatusStream,
  may: Record<'stream' | 'large' | 'wait', (request: IncomingMessage) => boolean>,
): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.disable('query parser');
  app.enable('case sensitive routing');

  const current = cachedByVersion(deps.statusVersion, () => {
    const status = deps.status();
    return { ready: status.ready, body: JSON.stringify(status) };
  });
  const historyBody = cachedForMs(HISTORY_MAX_AGE_MS, () => Buffer.from(JSON.stringify(deps.history())));
  const metricsBody = cachedForMs(METRICS_MAX_AGE_MS, async () => Buffer.from(await deps.metrics.render()));
  const reportBody = cachedByObject((report) => Buffer.from(JSON.stringify(report)));
  const probe = (path: string, handler: RequestHandler) =>
    app
      .route(path)
      .get(handler)
      .all((_request, response) =>
        fail(response, 405, 'the only methods are GET and HEAD', { Allow: 'GET, HEAD' }),
      );

  const get = (path: string, handler: RequestHandler) =>
    probe(path, (request, response, next) => {
      if (!isRebound(request)) return handler(request, response, next);
      fail(
        response,
        403,
        'over loopback the Host header must be an address of this host or a name in its network',
      );
    });
  const getLarge = (path: string, handler: RequestHandler) =>
    get(path, (request, response, next) => {
      if (may.large(request)) return handler(request, response, next);
      fail(response, 503, 'too many requests in flight from this address', retryAfter(1));
    });

  // Probes and admission first: the router tries its routes in this order.
  probe('/readyz', (request, response) => {
    const { ready, body: whole } = current();
    deps.onReadiness(ready, request.headers['user-agent']?.startsWith('kube-probe/') === true);
    const body = isRebound(request) ? JSON.stringify({ ready }) : whole;
    if (ready) sendJson(response, 200, body);
    else sendJson(response, 503, body, retryAfter(deps.retryAfterSeconds()));
  });
  // Mounted, not routed: nginx and Envoy ask with the method, and Envoy also with the path, of the request they hold.
  app.use('/admit', (request, response) => {
    const query = queryOf(request);
    const weight = oneOf(query, 'weight', '1', parseWeight);
    if (weight === undefined) return fail(response, 400, 'weight must be a number above 0 and at most 1000');
    const waitMs = oneOf(query, 'wait', waitHeader(request) ?? '0s', parseDuration);
    if (waitMs === undefined || waitMs > MAX_WAIT_MS)
      return fail(response, 400, 'wait must be a duration of at most 60s, such as 10s');
    const answer = ({ admitted, retryAfterSeconds, reason }: AdmitAnswer) => {
      const headers = { 'x-spillway-reason': headerSafe(reason) };
      if (admitted) response.writeHead(204, { 'Cache-Control': 'no-store', ...headers }).end();
      else fail(response, 503, reason, { ...retryAfter(retryAfterSeconds), ...headers });
    };
    if (waitMs === 0) return answer(deps.admit(weight));
    if (!may.wait(request)) return fail(response, 503, 'too many waiting requests', retryAfter(1));
    response.socket?.setTimeout(0);
    const leave = deps.wait(weight, waitMs, (given) => {
      response.socket?.setTimeout(IDLE_MS);
      answer(given);
    });
    response.once('close', leave);
  });
  probe('/livez', (_request, response) => {
    if (deps.livez()) sendJson(response, 200, '{"live":true}');
    else fail(response, 503, "the guardian's loop does not tick");
  });
  getLarge('/metrics', async (_request, response) => {
    sendLarge(response, deps.metrics.contentType, [await metricsBody()]);
  });
  get('/v1/status', (_request, response) => sendJson(response, 200, current().body));
  getLarge('/v1/history', (_request, response) => sendLarge(response, JSON_TYPE, [historyBody()]));
  getLarge('/v1/post-mortems', (_request, response) => {
    const bodies = deps
      .postMortems()
      .flatMap((report, i) => (i > 0 ? [',', reportBody(report)] : [reportBody(report)]));
    sendLarge(response, JSON_TYPE, ['[', ...bodies, ']']);
  });
  getLarge('/v1/post-mortems/:id', (request, response) => {
    const report = deps.postMortems().find(({ id }) => id === request.params.id);
    if (report) sendLarge(response, JSON_TYPE, [reportBody(report)]);
    else fail(response, 404, 'no such post-mortem: /v1/post-mortems lists the last ones');
  });
  get('/', servePage(deps.page));
  get('/v1/stream', (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end();
    else if (may.stream(request)) streams.open(response, deps.status());
    else fail(response, 503, 'too many open streams from this address', retryAfter(10));
  });

  app.use((request, response) => {
    if (isMalformed(request.path)) fail(response, 400, 'the path is not valid percent-encoding');
    else fail(response, 404, 'no such route');
  });
  const onThrown: ErrorRequestHandler = (error, _request, response, _next) => {
    // The router's own refusals (a path it cannot decode) carry a status below 500.
    if (error?.status === 400) return fail(response, 400, messageOf(error));
    deps.onError(error);
    if (response.headersSent) response.destroy();
    else fail(response, 500, 'the guardian failed to answer');
  };
  app.use(onThrown);
  return app;
}

/**
 * Whether a web page may have sent this by a name of its own that points to loopback: during a port-forward, and in wrap mode,
 * it would read files and functions of the agent's as if they were its own. What comes over the network is not asked: there an
 * ingress may bring any name. Probes and admission are answered all the same, without what they know of the agent.
 */
function isRebound({ socket, headers }: IncomingMessage): boolean {
  return isLoopback(socket.localAddress ?? '') && isPublicName(hostName(headers.host ?? ''));
}

/** What is asked for; below `/admit/` the query is the original request's own and asks for nothing here. */
function queryOf(request: IncomingMessage): URLSearchParams {
  const [path, query] = (request.url ?? '/').split('?', 2);
  return new URLSearchParams(path === '/' ? query : '');
}

/** Proxies that ask with the path of the request they hold say in a header how long they wait. */
function waitHeader({ headers }: IncomingMessage): string | undefined {
  const value = headers['x-spillway-wait'];
  return typeof value === 'string' ? value : undefined;
}

/** The one value of a parameter; `undefined` where it is none, or given more than once. */
function oneOf(
  query: URLSearchParams,
  name: string,
  standard: string,
  parse: (text: string) => number | undefined,
): number | undefined {
  const [value = standard, ...more] = query.getAll(name);
  return more.length === 0 ? parse(value) : undefined;
}

function isMalformed(path: string): boolean {
  try {
    decodeURIComponent(path);
    return false;
  } catch {
    return true; // decoding is the test: there is no other way to ask
  }
}
