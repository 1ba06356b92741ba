import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { KeyPair } from '../core/inject/certificate.ts';
import { Uploads } from '../core/lib/uploads.ts';
import { type ConnectionBounds, Connections } from './connections.ts';
import { fail, MAX_HEADER_BYTES, refuseBroken, send, sendJson } from './http-answer.ts';
import { listenOn } from './listen.ts';

/**
 * Largest request, in bytes: etcd takes no object above 1.5 MiB, which as JSON is twice that at most, and a review of a pod that
 * is made holds that one. All requests under way together may hold eight times that,
 * and of one address four are read at a time: one that is sent in one go takes milliseconds.
 */
const MAX_BODY_BYTES = 3 * 2 ** 20;
const HELD = { maxBytes: 8 * MAX_BODY_BYTES, perPeer: 4 };
/** From the first byte of a request to its last. The API server sends at once; who does not is not it. */
const REQUEST_MS = 3_000;
/** Connections kept. The API servers of a cluster may all come from one address (a tunnel), each with one for each review under way. */
const CONNECTIONS: ConnectionBounds = {
  own: { total: 64, perPeer: 64 },
  others: { total: 512, perPeer: 256 },
};

/** Where the server gets its answers. */
export interface WebhookServerDeps {
  /** The answer to a review, as JSON; `undefined` when it is none. */
  answer(review: unknown): string | undefined | Promise<string | undefined>;
  /** Why it is not ready, in words; `undefined` when it is. */
  unready(): string | undefined;
  metrics: { contentType: string; render(): Promise<string> };
  /** A request was refused with this status. */
  refused(status: number): void;
  /** Gets what one of the above threw; the client gets 500. */
  onError(error: unknown): void;
}

/** An admission webhook over HTTPS: `POST /inject`, and `/livez`, `/readyz`, `/metrics`. */
export interface WebhookServer {
  /** @throws SpillwayError `listen` */
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /** Serves this certificate on new connections; those that are open go on. */
  serve(pair: KeyPair): void;
  /** From now on connections end with their next answer, so that clients come back elsewhere. */
  drain(): void;
  /** Stops listening; what is under way gets `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** @param pair a certificate to begin with */
export function createWebhookServer(deps: WebhookServerDeps, pair: KeyPair): WebhookServer {
  let draining = false;
  const uploads = new Uploads(HELD);
  const refuse = (response: ServerResponse, status: 400 | 404 | 405 | 413 | 503, message: string) => {
    deps.refused(status);
    fail(response, status, message, status === 413 || status === 503 ? { Connection: 'close' } : {});
  };

  async function review(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let chunks: Buffer[] = [];
    let bytes = 0;
    let dropped = false;
    const upload = uploads.begin(request.socket.remoteAddress ?? '', () => {
      dropped = true;
      chunks = [];
      refuse(response, 503, 'too many reviews in flight; this was the longest one');
    });
    await upload.turn;
    try {
      // not destroyed on the way out: a refusal would not arrive
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if (dropped) return;
        bytes += chunk.length;
        if (bytes > MAX_BODY_BYTES)
          return refuse(response, 413, `a review may have at most ${MAX_BODY_BYTES} bytes`);
        chunks.push(chunk);
        upload.grow(chunk.length);
      }
      if (dropped) return;
      upload.came();
      let body: unknown;
      try {
        body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      } catch {
        return refuse(response, 400, 'the body is not JSON');
      }
      const answer = await deps.answer(body);
      if (dropped) return;
      if (answer === undefined)
        return refuse(response, 400, 'the body is not an AdmissionReview of admission.k8s.io/v1');
      sendJson(response, 200, answer);
    } finally {
      upload.end();
    }
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (draining) response.setHeader('Connection', 'close');
    const [path] = (request.url ?? '/').split('?', 1);
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (path === '/inject') {
      if (request.method === 'POST') await review(request, response);
      else refuse(response, 405, 'the only method is POST');
    } else if (path !== '/livez' && path !== '/readyz' && path !== '/metrics') {
      refuse(response, 404, 'no such route');
    } else if (!reads) refuse(response, 405, 'the only methods are GET and HEAD');
    else if (path === '/livez') sendJson(response, 200, '{"live":true}');
    else if (path === '/metrics')
      send(response, 200, { type: deps.metrics.contentType, parts: [await deps.metrics.render()] });
    else {
      const unready = draining ? 'the injector is shutting down' : deps.unready();
      if (unready === undefined) sendJson(response, 200, '{"ready":true}');
      else fail(response, 503, unready, { 'Retry-After': '1' });
    }
  }

  const server = createServer(
    {
      key: pair.key,
      cert: pair.certificate,
      minVersion: 'TLSv1.2',
      maxHeaderSize: MAX_HEADER_BYTES,
      handshakeTimeout: REQUEST_MS,
      headersTimeout: 2_000,
      requestTimeout: REQUEST_MS,
      // longer than the 90 s for which the API server keeps an idle connection: the side that reuses must be first to close
      keepAliveTimeout: 95_000,
      connectionsCheckingInterval: 500,
    },
    (request, response) => {
      if (!connections.answering(request, response)) return;
      route(request, response).catch((error: unknown) => {
        // a client that went away while it sent is no fault of ours
        if (request.destroyed && !request.complete) return;
        deps.onError(error);
        if (response.headersSent) response.destroy();
        else fail(response, 500, 'the review failed');
      });
    },
  );
  const connections = new Connections(server, CONNECTIONS);
  server.timeout = 120_000;
  server.on('clientError', refuseBroken);
  server.on('tlsClientError', (_, socket) => socket.destroy());

  return {
    listen: (address) => listenOn(server, address, '--listen', '[::]:8443'),
    serve: ({ certificate, key }) =>
      server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' }),
    drain: () => {
      draining = true;
    },
    close: (graceMs) =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), graceMs).unref();
      }),
  };
}
