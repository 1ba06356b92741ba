import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeAuthority, makeServing } from '../../../src/adapters/certificates.ts';
import { createWebhookServer, type WebhookServerDeps } from '../../../src/adapters/webhook-server.ts';
import { until } from '../../support/cli.ts';
import { goldenLines } from '../../support/golden.ts';

const said = goldenLines('webhook-server');

async function started(changes: Partial<WebhookServerDeps> = {}) {
  const authority = await makeAuthority(Date.now());
  const refused: number[] = [];
  const errors: unknown[] = [];
  const server = createWebhookServer(
    {
      answer: (review) => JSON.stringify(review),
      unready: () => undefined,
      metrics: { contentType: 'text/plain', render: async () => 'a 1\n' },
      refused: (status) => refused.push(status),
      onError: (error) => errors.push(error),
      ...changes,
    },
    await makeServing('localhost', authority, Date.now()),
  );
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const agent = new Agent({
    ca: authority.certificate,
    servername: 'localhost',
    keepAlive: true,
    maxSockets: 50,
  });
  onTestFinished(async () => {
    agent.destroy();
    await server.close(0);
  });
  async function ask(path: string, body?: string | Buffer, method = body === undefined ? 'GET' : 'POST') {
    const sent = request({ host: '127.0.0.1', port, path, method, agent }).end(body);
    const [response] = await once(sent, 'response');
    let text = '';
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode as number, text, headers: response.headers, socket: sent.socket };
  }
  return { server, port, agent, ask, refused, errors, authority };
}

describe('the webhook over HTTPS', () => {
  it('answers reviews, probes and metrics', async () => {
    const { ask } = await started();
    expect(await ask('/inject?timeout=5s', '{"a":1}')).toMatchObject({ status: 200, text: '{"a":1}' });
    expect(await ask('/livez')).toMatchObject({ status: 200 });
    expect(await ask('/readyz')).toMatchObject({ status: 200 });
    expect(await ask('/metrics')).toMatchObject({ status: 200, text: 'a 1\n' });
    const unready = await started({ unready: () => 'no certificate' });
    expect(await unready.ask('/livez')).toMatchObject({ status: 200 });
    const { status, text } = await unready.ask('/readyz');
    expect([status, text]).toEqual([503, expect.stringContaining('no certificate')]);
  });

  it('refuses what is none, and says and counts so', async () => {
    const { ask, refused } = await started({ answer: () => undefined });
    for (const [name, body] of [
      ['no JSON', '{"a":'],
      ['no review', '{}'],
    ] as const) {
      const { status, text } = await ask('/inject', body);
      expect(status).toBe(400);
      said(name, text.trimEnd());
    }
    expect(await ask('/inject')).toMatchObject({ status: 405 });
    expect(await ask('/livez', '', 'POST')).toMatchObject({ status: 405 });
    expect(await ask('/else')).toMatchObject({ status: 404 });
    expect(refused).toEqual([400, 400, 405, 405, 404]);
  });

  it('takes reviews of 3 MiB and no larger: a pod of 1.5 MiB, as JSON', async () => {
    const { ask } = await started({ answer: (review) => String((review as string).length) });
    const sized = (mib: number) => JSON.stringify('x'.repeat(mib * 2 ** 20 - 2));
    expect(await ask('/inject', sized(2))).toMatchObject({ status: 200, text: String(2 * 2 ** 20 - 2) });
    expect(await ask('/inject', sized(3))).toMatchObject({ status: 200 });
    expect(await ask('/inject', `${sized(3)} `)).toMatchObject({ status: 413 });
    expect(await ask('/inject', '1')).toMatchObject({ status: 200 });
  });

  it('reads others of an address while many of it wait for their answers', async () => {
    const waiting: (() => void)[] = [];
    const { ask } = await started({
      answer: (review) => new Promise((resolve) => waiting.push(() => resolve(String(review)))),
    });
    const answers = Array.from({ length: 8 }, (_, i) => ask('/inject', String(i)));
    await until(() => waiting.length === 8, 'all have been read');
    for (const resolve of waiting) resolve();
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual([...'01234567']);
  });

  /** Uploads of five neighbours that stop one byte before their end. */
  async function stall(port: number, count: number) {
    const all = Array.from({ length: count }, async (_, i) => {
      const socket = connect({
        socket: connectPlain({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (i % 5)}` }),
        rejectUnauthorized: false,
      });
      const got = { text: '', closed: false };
      socket.on('error', () => {}).on('data', (data) => (got.text += data));
      socket.on('close', () => (got.closed = true));
      await once(socket, 'secureConnect');
      socket.write(`POST /inject HTTP/1.1\r\nHost: a\r\nContent-Length: ${3 * 2 ** 20}\r\n\r\n`);
      socket.write(Buffer.alloc(3 * 2 ** 20 - 1, 32));
      onTestFinished(() => void socket.destroy());
      return got;
    });
    return Promise.all(all);
  }

  it.each([
    9, 30,
  ])('answers a review at once beside %i stalled uploads, of which the oldest give way', async (count) => {
    const { ask, port } = await started();
    const stalled = await stall(port, count);
    await until(() => stalled.some(({ text }) => text.includes('503')), 'one has given way');
    const fromMs = performance.now();
    expect(await ask('/inject', JSON.stringify('x'.repeat(100_000)))).toMatchObject({ status: 200 });
    expect(performance.now() - fromMs).toBeLessThan(1000);
    expect(await ask('/readyz')).toMatchObject({ status: 200 });
  });

  it('cuts off what has not sent a whole review within three seconds', async () => {
    const { port } = await started();
    const fromMs = performance.now();
    const [stalled] = await stall(port, 1);
    await until(() => stalled?.closed ?? false, 'it is cut off');
    expect(stalled?.text).toContain('408');
    expect(performance.now() - fromMs).toBeGreaterThan(2500);
    expect(performance.now() - fromMs).toBeLessThan(6000);
  });

  it('takes new connections beside a neighbour that keeps hundreds: silent ones, and whose handshake never ends', async () => {
    const { ask, port } = await started();
    for (let i = 0; i < 600; i++) {
      const socket = connectPlain({
        port,
        host: '127.0.0.1',
        localAddress: i < 300 ? '127.0.0.2' : '127.0.0.3',
      });
      socket.on('error', () => {});
      if (i % 2) socket.write(Buffer.from([22, 3, 1, 2, 0]));
      onTestFinished(() => void socket.destroy());
    }
    for (let i = 0; i < 5; i++) expect(await ask('/inject', '1')).toMatchObject({ status: 200 });
  });

  it('serves a new certificate while old connections go on', async () => {
    const { server, ask, port } = await started();
    const before = (await ask('/livez')).socket;
    const authority = await makeAuthority(Date.now());
    server.serve(await makeServing('localhost', authority, Date.now()));
    expect((await ask('/livez')).socket).toBe(before);
    const fresh = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.certificate });
    await once(fresh, 'secureConnect');
    fresh.destroy();
  });

  it('sends clients elsewhere before it ends, and finishes what is under way', async () => {
    const { server, ask } = await started();
    const { socket } = await ask('/livez');
    server.drain();
    expect(await ask('/readyz')).toMatchObject({ status: 503, headers: { connection: 'close' } });
    expect(await ask('/inject', '1')).toMatchObject({ status: 200, headers: { connection: 'close' } });
    await until(() => socket?.destroyed ?? false, 'the connection is closed');
    await server.close(1000);
    await expect(ask('/livez')).rejects.toThrow();
  });

  it('outlives what is thrown, broken TLS and clients that go away', async () => {
    const { ask, port, errors } = await started({
      answer: () => {
        throw new Error('a fault');
      },
    });
    expect(await ask('/inject', '1')).toMatchObject({ status: 500 });
    expect(errors).toEqual([new Error('a fault')]);
    const plain = await fetch(`http://127.0.0.1:${port}/livez`).catch(() => 'refused');
    expect(plain).toBe('refused');
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    socket.write('POST /inject HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
    socket.destroy();
    await until(async () => (await ask('/livez')).status === 200, 'it answers');
    expect(errors).toHaveLength(1);
  });
});
