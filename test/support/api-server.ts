import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { onTestFinished } from 'vitest';

/** An Event as it is kept, and how it came. */
export interface KeptEvent {
  metadata: { name: string; namespace: string };
  reason: string;
  note: string;
  eventTime: string;
  series?: { count: number; lastObservedTime: string };
  [field: string]: unknown;
}

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
  /** Counts connections: requests over the same one have the same number. */
  connection: number;
}

/** What to answer instead of doing what is asked; `hang` answers nothing, `lose` does it and then breaks the connection. */
export type Fault =
  | 'hang'
  | 'lose'
  | { status: number; body?: unknown; headers?: Record<string, string> }
  | undefined;

const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** An authority and a server certificate signed by it. */
export async function makeCertificates(address: string) {
  const ec = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
  const ca = await generate([{ name: 'commonName', value: `test authority ${Math.random()}` }], {
    ...ec,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'kube-apiserver' }], {
    ...ec,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: address }] }],
  });
  return { ca: ca.cert, cert, key };
}

/**
 * The part of an API server that keeps Events of `events.k8s.io/v1`, over TLS with a certificate signed by an authority of its
 * own: checks the token, what an Event must have, and that only the series changes; plays faults. Ended with the test.
 * `certified` is the address in its certificate.
 */
export async function startApiServer(address = '127.0.0.1', certified = address) {
  const directory = mkdtempSync(join(tmpdir(), 'api-server-'));
  const tokenFile = join(directory, 'token');
  const caFile = join(directory, 'ca.crt');
  let { ca, cert, key } = await makeCertificates(certified);
  const state = {
    token: 'first',
    events: new Map<string, KeptEvent>(),
    requests: [] as SeenRequest[],
    fault: (_request: SeenRequest): Fault => undefined,
  };
  writeFileSync(tokenFile, `${state.token}\n`);
  writeFileSync(caFile, ca);

  let connections = 0;
  const sockets = new Map<Socket, number>();
  const server = createServer({ cert, key }, (request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (data) => (text += data));
    request.on('end', () => {
      const seen: SeenRequest = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: text === '' ? {} : JSON.parse(text),
        connection: sockets.get(request.socket) ?? 0,
      };
      state.requests.push(seen);
      const fault = state.fault(seen);
      if (fault === 'hang') return;
      const answer =
        typeof fault === 'object'
          ? fault
          : request.headers.authorization === `Bearer ${state.token}`
            ? handle(seen)
            : failure(401, 'Unauthorized', 'Unauthorized');
      if (fault === 'lose') return void request.socket.destroy();
      response
        .writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
        .end(JSON.stringify(answer.body ?? {}));
    });
  });
  server.on('secureConnection', (socket) => {
    sockets.set(socket, ++connections);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });

  function handle({ method, path, body, headers }: SeenRequest): Exclude<Fault, string | undefined> {
    const [, namespace = '', name] =
      /^\/apis\/events\.k8s\.io\/v1\/namespaces\/([^/]+)\/events(?:\/(.+))?$/.exec(path) ?? [];
    if (method === 'POST' && headers['content-type'] === 'application/json') {
      const event = body as KeptEvent;
      const wrong = invalid(event, namespace);
      if (wrong) return failure(422, 'Invalid', wrong);
      const id = event.metadata.name;
      if (state.events.has(id)) return failure(409, 'AlreadyExists', `events "${id}" already exists`);
      state.events.set(id, event);
      return { status: 201, body: event };
    }
    if (method === 'PATCH' && headers['content-type'] === 'application/merge-patch+json') {
      const event = state.events.get(name ?? '');
      if (!event) return failure(404, 'NotFound', `events "${name}" not found`);
      const { series, ...rest } = body as { series?: KeptEvent['series'] };
      if (Object.keys(rest).length > 0) return failure(422, 'Invalid', 'field is immutable');
      if (!series || !MICRO_TIME.test(series.lastObservedTime)) return failure(422, 'Invalid', 'series');
      event.series = series;
      return { status: 200, body: event };
    }
    return failure(415, 'UnsupportedMediaType', `${method} ${headers['content-type']}`);
  }

  const listen = (port = 0) =>
    new Promise<number>((resolve) =>
      server.listen(port, address, () => resolve((server.address() as AddressInfo).port)),
    );
  const away = () =>
    new Promise<void>((resolve) => {
      for (const socket of sockets.keys()) socket.destroy();
      server.close(() => resolve());
    });
  const port = await listen();
  onTestFinished(async () => {
    await away();
    rmSync(directory, { recursive: true });
  });

  return {
    state,
    access: { host: address, port, caFile, tokenFile },
    directory,
    /** Reasons as they were told, in order; a series with its count. */
    told: () =>
      [...state.events.values()].map(({ reason, series }) =>
        series ? `${reason} ×${series.count}` : reason,
      ),
    connections: () => connections,
    open: () => sockets.size,
    away,
    back: () => listen(port),
    /** The kubelet puts a new token in the place of the old one. */
    writeToken: (token: string) => writeFileSync(tokenFile, token),
    /** A new authority; the old one covers nothing any more. */
    async renew(writeCa: boolean) {
      ({ ca, cert, key } = await makeCertificates(address));
      server.setSecureContext({ cert, key });
      for (const socket of sockets.keys()) socket.destroy();
      if (writeCa) writeFileSync(caFile, ca);
    },
  };
}

/** What a real API server refuses an Event for. */
function invalid(event: KeptEvent, namespace: string): string | undefined {
  if (event.metadata.namespace !== namespace) return 'metadata.namespace';
  for (const field of ['action', 'reason', 'reportingController', 'reportingInstance', 'type'])
    if (typeof event[field] !== 'string' || event[field] === '') return `${field}: Required value`;
  if (String(event['reportingInstance']).length > 128)
    return 'reportingInstance: can have at most 128 characters';
  if (Buffer.byteLength(event.note) > 1024) return 'note: can have at most 1024 characters';
  if (!MICRO_TIME.test(event.eventTime)) return 'eventTime';
  if (event.series && !(event.series.count >= 2 && MICRO_TIME.test(event.series.lastObservedTime)))
    return 'series.count: should be at least 2';
  if (
    !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(event.metadata.name) ||
    event.metadata.name.length > 253
  )
    return `metadata.name: ${event.metadata.name}`;
  return undefined;
}

/** An answer of the API server that is no success. */
export function failure(
  status: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
) {
  return {
    status,
    headers,
    body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, reason, message },
  };
}
