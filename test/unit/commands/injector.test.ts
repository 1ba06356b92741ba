import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeAuthority, makeServing } from '../../../src/adapters/certificates.ts';
import { type InjectorOptions, injectorCommand } from '../../../src/commands/injector.ts';
import { describeError } from '../../../src/core/lib/errors.ts';
import { freePort, until } from '../../support/cli.ts';
import { goldenLines } from '../../support/golden.ts';
import { podCorpus } from '../../support/pod-corpus.ts';
import {
  CONFIGURATION,
  emptySecret,
  NAMESPACE,
  SECRET,
  SERVICE,
  startWebhookApi,
} from '../../support/webhook-api.ts';

const said = goldenLines('injector');
const POD = podCorpus().find(({ name }) => name === 'plain')?.pod;

/** A mounted folder: files change as a whole, in one step. */
function mounted(files: Record<string, string>) {
  const directory = mkdtempSync(join(tmpdir(), 'injector-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const put = (name: string, text: string) => {
    writeFileSync(join(directory, `.${name}`), text);
    renameSync(join(directory, `.${name}`), join(directory, name));
  };
  for (const [name, text] of Object.entries(files)) put(name, text);
  return { directory, put, path: (name: string) => join(directory, name) };
}

async function started(options: Partial<InjectorOptions> & Pick<InjectorOptions, 'certificate'>) {
  const port = await freePort();
  let end = () => {};
  const ended = new Promise<string>((resolve) => {
    end = () => resolve('SIGTERM');
  });
  const done = injectorCommand(
    {
      listen: { host: '127.0.0.1', port },
      logLevel: 'silent',
      logFormat: 'json',
      checkMs: 50,
      drainMs: 200,
      ...options,
    },
    '1',
    ended,
  );
  onTestFinished(async () => {
    end();
    await done.catch(() => {});
  });
  /** A request over a connection of its own, by a client that trusts `ca`, or anybody. */
  const ask = (path: string, { body, ca }: { body?: unknown; ca?: string } = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const trust = ca === undefined ? { rejectUnauthorized: false } : { ca, servername: SERVICE };
      const target = {
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        agent: false,
      };
      request({ ...target, ...trust }, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode ?? 0, text });
      })
        .on('error', reject)
        .end(body === undefined ? undefined : JSON.stringify(body));
    });
  const status = (path: string, ca?: string) =>
    ask(path, ca === undefined ? {} : { ca }).then(
      (answer) => answer.status,
      () => 0,
    );
  const review = async (ca?: string) => {
    const request = { uid: 'u', object: POD };
    const body = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
    const { text } = await ask('/inject', ca === undefined ? { body } : { body, ca });
    const { patch } = JSON.parse(text).response;
    const operations = JSON.parse(Buffer.from(patch, 'base64').toString()) as {
      path: string;
      value: never;
    }[];
    return operations.find(({ path }) => path === '/spec/initContainers')?.value[0] as unknown as {
      image: string;
    };
  };
  return { ask, status, review, end, done };
}

const metric = async ({ ask }: Awaited<ReturnType<typeof started>>, name: string) =>
  Number(new RegExp(`^spillway_injector_${name} (\\S+)$`, 'm').exec((await ask('/metrics')).text)?.[1]);

describe('the injector', () => {
  it('leaves a pod as it was where its namespace has no room, and injects all the same where that is not known', async () => {
    const api = await startWebhookApi();
    const pair = await makeServing(SERVICE, await makeAuthority(Date.now()), Date.now());
    const { directory } = mounted({ 'tls.crt': pair.certificate, 'tls.key': pair.key });
    const injector = await started({ certificate: { directory }, apiServer: api.apiServer });
    await until(async () => (await injector.status('/readyz')) === 200, 'it is ready');
    const review = async (namespace: string) => {
      const request = { uid: 'u', namespace, object: POD };
      const body = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
      const { auditAnnotations, warnings } = JSON.parse(
        (await injector.ask('/inject', { body })).text,
      ).response;
      return [auditAnnotations.injection, warnings?.[0]];
    };
    const quota = { metadata: { name: 'tight' }, status: { hard: { memory: '1Mi' } } };
    api.state.lists['/api/v1/namespaces/tight/resourcequotas'] = [quota];
    api.state.lists['/api/v1/namespaces/tight/limitranges'] = [];
    const text = "not injected: ResourceQuota tight has no room for the sidecar's requests.memory (128Mi)";
    expect(await review('tight')).toEqual([text, `spillway: ${text}`]);
    expect((await review('refused'))[0]).toBe('injected');
    api.state.fault = () => 'hang';
    expect((await review('tight'))[0]).toBe('injected');
  });

  it('is trusted by the API server once it is ready, and injects', async () => {
    const api = await startWebhookApi();
    api.state.fault = () => ({ status: 503 });
    const certificate = {
      namespace: NAMESPACE,
      secret: SECRET,
      configuration: CONFIGURATION,
      service: SERVICE,
      apiServer: api.apiServer,
    };
    const injector = await started({ certificate });
    await until(async () => (await injector.status('/livez')) === 200, 'it lives');
    expect(await injector.status('/readyz')).toBe(503);
    expect(await metric(injector, 'ready')).toBe(0);
    api.state.fault = undefined;
    await until(async () => (await injector.status('/readyz')) === 200, 'it is ready');
    expect(await metric(injector, 'ready')).toBe(1);
    const [ca = ''] = api.bundles();
    expect((await injector.review(ca)).image).toBe('ghcr.io/spillway-dev/spillway:1');
    expect(await metric(injector, 'admissions_total\\{result="injected"\\}')).toBe(1);
    expect(await metric(injector, 'admission_duration_seconds_count')).toBe(1);
    const days =
      (await metric(injector, 'certificate_expiry_timestamp_seconds')) / 86_400 - Date.now() / 86_400e3;
    expect(days).toBeGreaterThan(89);

    api.state.secret = emptySecret();
    await until(async () => api.bundles()[0] !== ca, 'there is a new authority');
    expect(await injector.status('/readyz', api.bundles()[0])).toBe(200);
  });

  it('follows a certificate in files, and keeps it when it becomes a bad one', async () => {
    const [one, other] = [await makeAuthority(Date.now()), await makeAuthority(Date.now())];
    const pair = await makeServing(SERVICE, one, Date.now());
    const { directory, put } = mounted({});
    const injector = await started({ certificate: { directory } });
    await until(async () => (await injector.status('/livez')) === 200, 'it lives');
    expect(await injector.status('/readyz')).toBe(503);
    put('tls.crt', pair.certificate);
    put('tls.key', pair.key);
    await until(async () => (await injector.status('/readyz', one.certificate)) === 200, 'it is served');
    const next = await makeServing(SERVICE, other, Date.now());
    put('tls.crt', next.certificate);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await injector.status('/readyz', one.certificate)).toBe(200);
    put('tls.key', next.key);
    await until(
      async () => (await injector.status('/readyz', other.certificate)) === 200,
      'the new one is served',
    );
  });

  it('follows its configuration, and keeps it when it becomes a bad one', async () => {
    const { put, path, directory } = mounted({ 's.yaml': 'image: registry.example/a:1\n' });
    const injector = await started({ certificate: { directory }, sidecar: path('s.yaml') });
    await until(async () => (await injector.status('/livez')) === 200, 'it lives');
    expect((await injector.review()).image).toBe('registry.example/a:1');
    put('s.yaml', 'image: registry.example/b:2\n');
    await until(async () => (await injector.review()).image === 'registry.example/b:2', 'it is used');
    expect(await metric(injector, 'configuration_valid')).toBe(1);
    put('s.yaml', 'image: registry.example/c:3\nimge: 1\n');
    await until(async () => (await metric(injector, 'configuration_valid')) === 0, 'it is refused');
    expect((await injector.review()).image).toBe('registry.example/b:2');
    put('s.yaml', 'image: registry.example/d:4\n');
    await until(async () => (await injector.review()).image === 'registry.example/d:4', 'it is used again');
  });

  it('is not ready while it ends, and answers until it has ended', async () => {
    const { directory } = mounted({});
    const injector = await started({ certificate: { directory } });
    await until(async () => (await injector.status('/livez')) === 200, 'it lives');
    const { text: before } = await injector.ask('/readyz');
    injector.end();
    await until(async () => (await injector.ask('/readyz')).text !== before, 'it is ending');
    const { status, text } = await injector.ask('/readyz');
    expect(status).toBe(503);
    said('not ready while it ends', text.trimEnd());
    expect((await injector.review()).image).toContain('spillway');
    expect(await injector.done).toBe(0);
    expect(await injector.status('/livez')).toBe(0);
  });

  it('does not start with a configuration that is wrong', async () => {
    const { directory, path } = mounted({ 's.yaml': 'native: 3\n' });
    const injector = await started({ certificate: { directory }, sidecar: path('s.yaml') });
    const error = await injector.done.catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'config' });
    said('a configuration that is wrong', describeError(error), { FILE: path('s.yaml') });
  });
});
