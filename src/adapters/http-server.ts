import { createServer, type IncomingMessage } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { parseWeight } from '../core/admission.ts';
import { messageOf } from '../core/errors.ts';
import type { Status } from '../core/status.ts';
import { cachedByObject, cachedByVersion, cachedForMs } from './cached.ts';
import {
  fail,
  headerSafe,
  JSON_TYPE,
  MAX_HEADER_BYTES,
  refuseBroken,
  retryAfter,
  send,
  sendLarge,
} from './http-answer.ts';
import { listenOn } from './listen.ts';
import { servePage } from './page.ts';
import { MAX_STREAMS, StatusStream, type StreamMessage } from './status-stream.ts';

/** Connections at the same time: all streams, and as many for everything else; the next one is closed at once. */
const MAX_CONNECTIONS = 2 * MAX_STREAMS;
const HISTORY_MAX_AGE_MS = 1000;
const METRICS_MAX_AGE_MS = 250;
const CLOSE_GRACE_MS = 1000;

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
  /** Whether the guardian's own loop ticks. */
  livez(): boolean;
  status(): Status;
  /** A number that changes whenever `status()` may answer something new; in between its text is reused. */
  statusVersion(): number;
  /** Seconds after which a refused client may come back. */
  retryAfterSeconds(): number;
  admit(weight: number): AdmitAnswer;
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
  /** Readiness probes of the kubelet so far, told by their `User-Agent: kube-probe/…`. */
  probes(): number;
}

export function createHttpServer(deps: HttpServerDeps): HttpServer {
  const streams = new StatusStream(deps.subscribe);
  let probes = 0;
  const app = routes(deps, streams, () => probes++);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      // Longer than the 60 s for which nginx and Envoy keep an idle connection: the side that reuses must be first to close.
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      deps.onRequest();
      app(request, response);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.maxRequestsPerSocket = 0; // nothing piles up on a connection that would need a fresh one
  server.timeout = 15_000;
  server.on('connection', () => deps.onRequest());
  // Full: idle connections make room, so that a probe does not have to wait for them.
  server.on('drop', () => server.closeIdleConnections());
  server.on('clientError', (error, socket) => {
    deps.onRequest();
    refuseBroken(error, socket);
  });

  return {
    listen: (address) => listenOn(server, address, '--listen', '0.0.0.0:9797'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        streams.close();
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS).unref();
      }),
    streams: () => ({ clients: streams.clients, dropped: streams.dropped }),
    probes: () => probes,
  };
}

function routes(deps: HttpServerDeps, streams: StatusStream, onProbe: () => void): Express {
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
  const get = (path: string, handler: RequestHandler) =>
    app
      .route(path)
      .get(handler)
      .all((_request, response) => fail(response, 405, 'only GET and HEAD', { Allow: 'GET, HEAD' }));

  // Probes and admission first: the router tries its routes in this order.
  get('/readyz', (request, response) => {
    if (request.headers['user-agent']?.startsWith('kube-probe/')) onProbe();
    const { ready, body } = current();
    if (ready) send(response, 200, JSON_TYPE, [body]);
    else send(response, 503, JSON_TYPE, [body], retryAfter(deps.retryAfterSeconds()));
  });
  // Mounted, not routed: nginx and Envoy ask with the method, and Envoy also with the path, of the request they hold.
  app.use('/admit', (request, response) => {
    const weight = weightOf(request);
    if (weight === undefined) return fail(response, 400, 'weight is one number above 0 and at most 1000');
    const { admitted, retryAfterSeconds, reason } = deps.admit(weight);
    const headers = { 'x-spillway-reason': headerSafe(reason) };
    if (admitted) response.writeHead(204, { 'Cache-Control': 'no-store', ...headers }).end();
    else fail(response, 503, reason, { ...retryAfter(retryAfterSeconds), ...headers });
  });
  get('/livez', (_request, response) => {
    if (deps.livez()) send(response, 200, JSON_TYPE, ['{"live":true}']);
    else fail(response, 503, "the guardian's loop does not tick");
  });
  get('/metrics', async (_request, response) => {
    sendLarge(response, deps.metrics.contentType, [await metricsBody()]);
  });
  get('/v1/status', (_request, response) => send(response, 200, JSON_TYPE, [current().body]));
  get('/v1/history', (_request, response) => sendLarge(response, JSON_TYPE, [historyBody()]));
  get('/v1/post-mortems', (_request, response) => {
    const bodies = deps
      .postMortems()
      .flatMap((report, i) => (i > 0 ? [',', reportBody(report)] : [reportBody(report)]));
    sendLarge(response, JSON_TYPE, ['[', ...bodies, ']']);
  });
  get('/v1/post-mortems/:id', (request, response) => {
    const report = deps.postMortems().find(({ id }) => id === request.params.id);
    if (report) sendLarge(response, JSON_TYPE, [reportBody(report)]);
    else fail(response, 404, 'no such post-mortem: the last ones are listed at /v1/post-mortems');
  });
  get('/', servePage(deps.page));
  get('/v1/stream', (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end();
    else if (!streams.open(response, deps.status()))
      fail(response, 503, `${MAX_STREAMS} streams are open, which is the most`, retryAfter(10));
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
    else fail(response, 500, 'the guardian could not answer');
  };
  app.use(onThrown);
  return app;
}

/** The weight asked for, 1 without one; below `/admit/` the query is the original request's own and says nothing about weight. */
function weightOf(request: IncomingMessage): number | undefined {
  const [path, query] = (request.url ?? '/').split('?', 2);
  if (query === undefined || path !== '/') return 1;
  const weights = new URLSearchParams(query).getAll('weight');
  if (weights.length === 0) return 1;
  return weights.length === 1 ? parseWeight(weights[0] ?? '') : undefined;
}

function isMalformed(path: string): boolean {
  try {
    decodeURIComponent(path);
    return false;
  } catch {
    return true; // decoding is the test: there is no other way to ask
  }
}
