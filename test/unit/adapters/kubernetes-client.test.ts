import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createEventsApi } from '../../../src/adapters/kubernetes-client.ts';
import { createApiConnection } from '../../../src/adapters/kubernetes-https.ts';
import { describeError } from '../../../src/core/lib/errors.ts';
import { kubernetesEvent } from '../../../src/core/report/kubernetes-event.ts';
import { startApiServer } from '../../support/api-server.ts';
import { eventOf } from '../../support/event.ts';
import { goldenLines } from '../../support/golden.ts';

const POD = { namespace: 'team', name: 'agent-1', uid: undefined, serviceAccount: undefined };
const made = () => kubernetesEvent(eventOf('GuardianBlind'), POD);
/** What is said of a call that must fail, where it is. */
const said = goldenLines('kubernetes-client');
const fails = async (name: string, call: Promise<unknown>, access: { caFile: string; port: number }) => {
  const error = await call.then(
    () => expect.unreachable('it is answered'),
    (thrown: unknown) => thrown,
  );
  said(name, describeError(error), {
    CA: access.caFile,
    PORT: access.port,
    'REASON (': /(?<=\()unable to verify .*?\(/g,
  });
};
const { signal } = new AbortController();

describe('the API for Events', () => {
  it('keeps one connection for what follows soon, and tells who asks', async () => {
    const server = await startApiServer();
    const api = createEventsApi({ ...server.access, version: '1.2.3' });
    for (let i = 0; i < 3; i++) expect(await api.create(made(), signal)).toMatchObject({ status: 200 });
    expect(server.connections()).toBe(1);
    expect(server.state.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer first',
      'user-agent': 'spillway/1.2.3',
    });
    api.close();
    await vi.waitFor(() => expect(server.open()).toBe(0));
  });

  it('reaches a server with an IPv6 address', async () => {
    const server = await startApiServer('::1');
    const api = createEventsApi({ ...server.access, version: '1' });
    expect(await api.create(made(), signal)).toMatchObject({ status: 200 });
    expect(server.state.requests[0]?.headers.host).toBe(`[::1]:${server.access.port}`);
    api.close();
  });

  it('trusts no server with the certificate of another address', async () => {
    const server = await startApiServer('::1', '::2');
    const api = createEventsApi({ ...server.access, version: '1' });
    await fails('the certificate of another address', api.create(made(), signal), server.access);
    api.close();
  });

  it('trusts the authority of the cluster alone, and reads it again when it has changed', async () => {
    const server = await startApiServer();
    const api = createEventsApi({ ...server.access, version: '1' });
    await api.create(made(), signal);
    await server.renew(false);
    await fails('another authority', api.create(made(), signal), server.access);
    await server.renew(true);
    expect(await api.create(made(), signal)).toMatchObject({ status: 200 });
    api.close();
  });

  it('takes an answer that is no API object for what its status says', async () => {
    const server = await startApiServer();
    server.state.fault = () => ({ status: 502, body: 'a page', headers: { 'content-type': 'text/html' } });
    const api = createEventsApi({ ...server.access, version: '1' });
    expect(await api.create(made(), signal)).toEqual({
      status: 502,
      reason: '',
      message: '',
      retryAfterMs: undefined,
    });
    api.close();
  });

  it('names the file that it cannot read, and the server that is away', async () => {
    const server = await startApiServer();
    const api = createEventsApi({ ...server.access, tokenFile: '/nowhere/token', version: '1' });
    await expect(api.create(made(), signal)).rejects.toMatchObject({ code: 'read' });
    await fails('no token', api.create(made(), signal), server.access);
    await server.away();
    const again = createEventsApi({ ...server.access, version: '1' });
    await fails('away', again.create(made(), signal), server.access);
  });
});

describe('its connection', () => {
  const ask = { method: 'GET', path: '/', headers: {}, body: '', signal };

  it('is not diverted by proxy variables', async () => {
    const server = await startApiServer();
    const proxy = createServer((_, response) => response.end());
    let diverted = 0;
    proxy.on('connect', (_, socket) => {
      diverted++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'http_proxy']) vi.stubEnv(name, url);
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    const connection = createApiConnection(server.access);
    expect((await connection.send(ask)).status).toBe(415);
    expect(diverted).toBe(0);
    connection.close();
    proxy.close();
  });
  afterEach(() => vi.unstubAllEnvs());

  it('follows no redirect: it carries a token', async () => {
    const server = await startApiServer();
    const other = await startApiServer();
    server.state.fault = () => ({
      status: 307,
      headers: { location: `https://127.0.0.1:${other.access.port}/` },
    });
    const connection = createApiConnection(server.access);
    expect((await connection.send(ask)).status).toBe(307);
    expect(other.state.requests).toEqual([]);
    connection.close();
  });

  it('ends with its signal, and with an answer that has no end', async () => {
    const server = await startApiServer();
    const connection = createApiConnection(server.access);
    server.state.fault = () => 'hang';
    const limited = { ...ask, signal: AbortSignal.timeout(50) };
    await expect(connection.send(limited)).rejects.toMatchObject({ name: 'TimeoutError' });
    server.state.fault = () => ({ status: 200, body: 'x'.repeat(300_000) });
    await fails('an answer without an end', connection.send(ask), server.access);
    connection.close();
  });

  it('gives no token to a server it does not trust', async () => {
    const server = await startApiServer();
    const other = await startApiServer();
    const connection = createApiConnection({ ...server.access, port: other.access.port });
    await fails('a server that is not trusted', connection.send(ask), {
      ...server.access,
      port: other.access.port,
    });
    expect(other.state.requests).toEqual([]);
    connection.close();
  });
});
