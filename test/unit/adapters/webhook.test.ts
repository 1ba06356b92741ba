import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { retry } from '../../../src/adapters/retry.ts';
import { createWebhook } from '../../../src/adapters/webhook.ts';
import { describeError, type SpillwayError } from '../../../src/core/lib/errors.ts';
import type { GuardianEvent } from '../../../src/core/model/events.ts';
import { createNotifier } from '../../../src/exporters/notifier.ts';
import { readWebhookUrl } from '../../../src/sources/webhook-url.ts';
import { goldenLines } from '../../support/golden.ts';

const said = goldenLines('webhook');
const EVENT: GuardianEvent = {
  id: 'abc-1',
  reason: 'MemoryPressureShedding',
  type: 'Warning',
  note: 'Über 85 % of 512 MiB',
  at: '2026-01-02T03:04:05.000Z',
  count: 1,
  status: { level: 'shedding' } as GuardianEvent['status'],
};

const servers: Server[] = [];
const listen = async (server: Server, port = 0) => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};
const serve = (listener: RequestListener, port = 0) => listen(createServer(listener), port);
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    if ('closeAllConnections' in server && typeof server.closeAllConnections === 'function')
      server.closeAllConnections();
  }
});

const hook = (url: string) => createWebhook({ url, version: '1.2.3' });
const deliver = (url: string, signal = AbortSignal.timeout(5000)) => hook(url).deliver(EVENT, signal);
const failure = (url: string, signal?: AbortSignal) =>
  deliver(url, signal).then(
    () => expect.unreachable('was delivered'),
    (error: SpillwayError) => error,
  );
const answering = (status: number, headers: Record<string, string> = {}, body = '') =>
  serve((_, response) => response.writeHead(status, headers).end(body));

describe('webhook', () => {
  it('posts the event as JSON, with its id, on a connection of its own', async () => {
    let seen:
      | { body: unknown; method: string | undefined; path: string | undefined; headers: IncomingHttpHeaders }
      | undefined;
    const port = await serve((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk));
      request.on('end', () => {
        seen = {
          body: JSON.parse(text),
          method: request.method,
          path: request.url,
          headers: request.headers,
        };
        response.writeHead(204).end();
      });
    });
    await deliver(`http://us%40er:p%C3%A4ss@127.0.0.1:${port}/hook?token=secret`);
    expect(seen).toMatchObject({ body: EVENT, method: 'POST', path: '/hook?token=secret' });
    expect(seen?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'spillway/1.2.3',
      'x-spillway-event-id': 'abc-1',
      connection: 'close',
      authorization: `Basic ${Buffer.from('us@er:päss').toString('base64')}`,
    });
  });

  it('waits for a server that is away and then comes, through the notifier', async () => {
    const port = await answering(200);
    const [first] = servers.splice(0);
    await new Promise((resolve) => first?.close(resolve));
    const results: string[] = [];
    const problems: string[] = [];
    const notifier = createNotifier({
      sinks: [hook(`http://127.0.0.1:${port}/`)],
      retry,
      firstWaitMs: 20,
      onResult: (_, result) => results.push(result),
      onProblem: (_, message) => problems.push(message),
    });
    notifier.emit(EVENT);
    await vi.waitFor(() => expect(results).toContain('retried'));
    expect(problems[0]).toContain('ECONNREFUSED');
    await serve((_, response) => response.end(), port);
    await vi.waitFor(() => expect(results.at(-1)).toBe('delivered'), { timeout: 10_000 });
  });

  it('tries again after a 500', async () => {
    const answers = [500, 503, 200];
    const ids: unknown[] = [];
    const port = await serve((request, response) => {
      ids.push(request.headers['x-spillway-event-id']);
      response.writeHead(answers.shift() ?? 500).end();
    });
    const results: string[] = [];
    const notifier = createNotifier({
      sinks: [hook(`http://127.0.0.1:${port}/`)],
      retry,
      firstWaitMs: 5,
      onResult: (_, result) => results.push(result),
    });
    notifier.emit(EVENT);
    expect(await notifier.close(5000)).toEqual([]);
    expect(results).toEqual(['retried', 'retried', 'delivered']);
    expect(ids).toEqual(['abc-1', 'abc-1', 'abc-1']);
  });

  it('ends with its signal when the server takes the request and is silent', async () => {
    const port = await serve(() => {});
    const error = await failure(`http://127.0.0.1:${port}/`, AbortSignal.timeout(50));
    expect(error.retryable).toBe(true);
  });

  it('ends with its signal when the server reads nothing at all', async () => {
    const port = await listen(createTcpServer((socket) => socket.pause()));
    const error = await failure(`http://127.0.0.1:${port}/`, AbortSignal.timeout(50));
    expect(error.message).toContain(`webhook http://127.0.0.1:${port}: `);
  });

  it('takes the status for the answer, however slow or endless the body', async () => {
    let closed = false;
    const port = await serve((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'.repeat(1024)), 1);
      response.on('close', () => {
        clearInterval(timer);
        closed = true;
      });
    });
    await deliver(`http://127.0.0.1:${port}/`);
    await vi.waitFor(() => expect(closed, 'the webhook cuts it off').toBe(true));
  });

  it.each([408, 425, 429, 500, 502, 503])('may try again after %i', async (status) => {
    const error = await failure(`http://127.0.0.1:${await answering(status)}/`);
    expect(error).toMatchObject({ code: 'sink', retryable: true });
    expect(error.message).toContain(String(status));
  });

  it.each([400, 401, 404, 410, 413, 422])('never tries again after %i', async (status) => {
    expect(await failure(`http://127.0.0.1:${await answering(status)}/`)).toMatchObject({ retryable: false });
  });

  it('reads Retry-After in seconds and as a date, by the clock of the server', async () => {
    const seconds = await answering(429, { 'retry-after': '7' });
    expect(await failure(`http://127.0.0.1:${seconds}/`)).toMatchObject({ retryAfterMs: 7000 });
    const date = await answering(503, {
      date: 'Thu, 01 Jan 2015 00:00:00 GMT',
      'retry-after': 'Thu, 01 Jan 2015 00:00:30 GMT',
    });
    expect(await failure(`http://127.0.0.1:${date}/`)).toMatchObject({ retryAfterMs: 30_000 });
    const past = await answering(503, { 'retry-after': 'Thu, 01 Jan 2015 00:00:30 GMT' });
    expect(await failure(`http://127.0.0.1:${past}/`)).toMatchObject({ retryAfterMs: 0 });
    const nonsense = await answering(503, { 'retry-after': 'soon' });
    expect((await failure(`http://127.0.0.1:${nonsense}/`)).retryAfterMs).toBeUndefined();
  });

  it('does not follow a redirect and says where it pointed', async () => {
    let followed = false;
    const target = await serve((_, response) => {
      followed = true;
      response.end();
    });
    const port = await answering(307, { location: `http://127.0.0.1:${target}/secret` });
    const error = await failure(`http://127.0.0.1:${port}/`);
    expect(error).toMatchObject({ code: 'sink', retryable: false });
    said('a redirect', describeError(error), { PORT: port, TARGET: target });
    expect(followed).toBe(false);
  });

  it('keeps path, query and password out of its messages', async () => {
    const port = await answering(500);
    const error = await failure(`http://user:hunter2@127.0.0.1:${port}/services/T0/secret?token=x`);
    expect(error.message).toBe(`webhook http://127.0.0.1:${port} answered 500 Internal Server Error`);
  });

  it('names the host that has no address, and the one with several that refuse', async () => {
    expect((await failure('http://spillway.invalid/')).message).toMatch(/ENOTFOUND|EAI_AGAIN/);
    const port = await answering(200);
    const [server] = servers.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    expect((await failure(`http://localhost:${port}/`)).message).toContain('ECONNREFUSED');
  });

  it('names the hint for a certificate it cannot trust, and for plain HTTP behind https', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'spillway-tls-'));
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
    ];
    execFileSync('openssl', [...args, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    const tls = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) =>
      response.end(),
    );
    rmSync(dir, { recursive: true });
    const tlsPort = await listen(tls);
    const error = await failure(`https://localhost:${tlsPort}/`);
    expect(error).toMatchObject({ code: 'sink' });
    said('a certificate that is not trusted', describeError(error), {
      PORT: tlsPort,
      REASON: /(?<=not trusted \()[^)]+/g,
    });
    const port = await answering(200);
    const plain = await failure(`https://127.0.0.1:${port}/`);
    expect(plain).toMatchObject({ code: 'sink' });
    said('plain HTTP', describeError(plain), { PORT: port });
  });

  it.each([
    '',
    'hooks.example.com',
    'ftp://example.com/',
    'http://a%:b@example.com/',
  ])('refuses the URL "%s"', (url) => {
    expect(() => hook(url)).toThrow(expect.objectContaining({ code: 'config' }));
  });
});

describe('a webhook whose URL is in a file', () => {
  const file = () => {
    const folder = mkdtempSync(join(tmpdir(), 'webhook-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return join(folder, 'url');
  };
  const fileHook = (path: string) => createWebhook({ url: () => readWebhookUrl(path), version: '1.2.3' });
  const why = (path: string) =>
    fileHook(path)
      .deliver(EVENT, AbortSignal.timeout(5000))
      .then(
        () => 'delivered',
        (error: SpillwayError) => error,
      );
  const wrong = async (name: string, path: string) => {
    const error = await why(path);
    expect(error).toMatchObject({ code: 'read' });
    expect(describeError(error)).not.toContain('SECRET');
    said(name, describeError(error), { FILE: path });
  };

  it('goes to where the file says at that moment', async () => {
    const path = file();
    const asked: (string | undefined)[] = [];
    const port = await serve((request, response) => {
      asked.push(request.url);
      response.end();
    });
    for (const name of ['first', 'second']) {
      writeFileSync(path, `http://127.0.0.1:${port}/${name}\n`);
      expect(await why(path)).toBe('delivered');
    }
    expect(asked).toEqual(['/first', '/second']);
  });

  it('says what is wrong with the file, and never what it holds', async () => {
    const path = file();
    await wrong('no file', path);
    writeFileSync(path, ' \n');
    await wrong('an empty file', path);
    writeFileSync(path, 'https://hooks.example/SECRET'.padEnd(9000, 'x'));
    await wrong('a file too large', path);
    writeFileSync(path, 'SECRET');
    expect(await why(path)).toMatchObject({
      code: 'config',
      message: 'webhook-url is not an http or https URL',
    });
    execFileSync('mkfifo', [`${path}.fifo`]);
    await wrong('a FIFO', `${path}.fifo`);
  });
});
