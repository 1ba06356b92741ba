import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { makeAuthority, makeServing } from '../../src/adapters/certificates.ts';
import { patched } from './json-patch.ts';

interface Stored {
  metadata: { name: string; resourceVersion: string; [field: string]: unknown };
  data?: Record<string, string>;
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
  [field: string]: unknown;
}

export const NAMESPACE = 'spillway';
export const SECRET = 'spillway-injector';
export const CONFIGURATION = 'spillway';
export const SERVICE = 'spillway-injector.spillway.svc';

export const emptySecret = (): Stored => ({
  type: 'Opaque',
  metadata: { name: SECRET, resourceVersion: '1', labels: { owner: 'helm' } },
});

/** An API server that knows one Secret and one MutatingWebhookConfiguration, for the faults that a real one does not show. */
export async function startWebhookApi() {
  const directory = mkdtempSync(join(tmpdir(), 'webhook-api-'));
  const authority = await makeAuthority(Date.now());
  const pair = await makeServing('localhost', authority, Date.now());
  const server = createServer({ key: pair.key, cert: pair.certificate });
  const state = {
    /** As the chart makes it; `undefined` where somebody has deleted it. */
    secret: emptySecret() as Stored | undefined,
    configuration: {
      metadata: { name: CONFIGURATION, resourceVersion: '1' },
      webhooks: ['by-namespace', 'by-pod'].map((name) => ({ name, clientConfig: {} })),
    } as Stored,
    /** What lists of this path hold: those of namespaces' quotas and limit ranges. */
    lists: {} as Record<string, unknown[]>,
    /** `GET secret`, …: what came. */
    requests: [] as string[],
    /** Answers instead; `undefined` lets the request through. */
    fault: undefined as
      | ((request: string) => { status: number; body?: string } | 'hang' | undefined)
      | undefined,
    version: 1,
  };
  const write = (object: Stored): Stored => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(++state.version) },
  });

  function answer(request: string, body: unknown): [status: number, body: unknown] {
    const refuse = (status: number, message: string): [number, unknown] => [
      status,
      { kind: 'Status', message },
    ];
    const sent = body as Stored;
    switch (request) {
      case 'GET secret':
        return state.secret ? [200, state.secret] : refuse(404, `secrets "${SECRET}" not found`);
      case 'PUT secret':
        if (!state.secret) return refuse(404, 'not found');
        if (sent.metadata.resourceVersion !== state.secret.metadata.resourceVersion)
          return refuse(409, 'the object has been modified');
        state.secret = write(sent);
        return [200, state.secret];
      case 'GET configuration':
        return [200, state.configuration];
      case 'PATCH configuration': {
        const [test, ...changes] = body as { op: string; path: string; value: unknown }[];
        if (test?.value !== state.configuration.metadata.resourceVersion)
          return refuse(422, 'the test failed');
        state.configuration = write(patched(state.configuration, changes) as Stored);
        return [200, state.configuration];
      }
      default:
        if (state.lists[request.replace('GET ', '')])
          return [200, { items: state.lists[request.replace('GET ', '')] }];
        return refuse(404, `no ${request}`);
    }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const path = request.url ?? '';
    const what = path.endsWith(`/namespaces/${NAMESPACE}/secrets/${SECRET}`)
      ? 'secret'
      : path.endsWith(`/mutatingwebhookconfigurations/${CONFIGURATION}`)
        ? 'configuration'
        : path;
    const name = `${request.method} ${what}`;
    state.requests.push(name);
    const fault = state.fault?.(name);
    if (fault === 'hang') return;
    const [status, body] = fault
      ? [fault.status, fault.body ?? { message: 'a fault' }]
      : answer(name, text === '' ? undefined : JSON.parse(text));
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  server.on('request', (request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const [caFile, tokenFile] = [join(directory, 'ca.crt'), join(directory, 'token')];
  writeFileSync(caFile, authority.certificate);
  writeFileSync(tokenFile, 'a-token');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true });
  });
  return {
    state,
    apiServer: { host: 'localhost', port: (server.address() as AddressInfo).port, caFile, tokenFile },
    /** What the API server trusts, for each webhook of the configuration. */
    bundles: () =>
      (state.configuration.webhooks ?? []).map(({ clientConfig }) =>
        Buffer.from(clientConfig.caBundle ?? '', 'base64').toString(),
      ),
    /** A part of the Secret, decoded. */
    part: (key: string) => Buffer.from(state.secret?.data?.[key] ?? '', 'base64').toString(),
  };
}

export type WebhookApi = Awaited<ReturnType<typeof startWebhookApi>>;
