import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exchange, startServer } from '../../support/http-server.ts';
import { statusWith } from '../../support/status.ts';

const error = (code: string) => ({ error: { code, message: expect.any(String) } });

describe('probes', () => {
  it('/readyz answers 200 with the status, never to be cached', async () => {
    const { get, state } = await startServer();
    const response = await get('/readyz');
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    for (const absent of ['x-powered-by', 'etag', 'retry-after'])
      expect(response.headers.has(absent)).toBe(false);
    expect(await response.json()).toEqual(state.status);
  });

  it('/readyz answers 503 with Retry-After in whole seconds, at least 1', async () => {
    let seconds = 2.1;
    const { get, state } = await startServer({ retryAfterSeconds: () => seconds });
    state.status = statusWith({ ready: false, level: 'shedding' });
    for (const [given, sent] of [
      [2.1, '3'],
      [0, '1'],
      [-5, '1'],
      [Number.NaN, '1'],
      [60, '60'],
    ] as const) {
      seconds = given;
      const response = await get('/readyz');
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, sent]);
      expect(await response.json()).toMatchObject({ ready: false, level: 'shedding' });
    }
  });

  it('/livez is about the loop alone', async () => {
    let alive = true;
    const { get, asked } = await startServer({ livez: () => alive });
    expect((await get('/livez')).status).toBe(200);
    alive = false;
    const response = await get('/livez');
    expect([response.status, await response.json()]).toEqual([503, error('unavailable')]);
    expect(asked.status).toBe(0);
  });

  it('serialises the status once for each version', async () => {
    const { get, asked, state } = await startServer();
    for (const path of ['/readyz', '/v1/status', '/readyz']) await get(path);
    expect(asked.status).toBe(1);
    state.version++;
    state.status = statusWith({ ready: false });
    expect((await get('/readyz')).status).toBe(503);
    expect(asked.status).toBe(2);
  });

  it('takes an overdue sample before each request', async () => {
    const { get, asked } = await startServer();
    for (const path of ['/livez', '/nowhere', '/metrics']) {
      const before = asked.requests;
      await get(path);
      expect(asked.requests).toBeGreaterThan(before);
    }
  });
});

describe('/admit?wait', () => {
  it('answers once there is room, and not before', async () => {
    const waiting: { weight: number; ms: number; admit(): void }[] = [];
    const { get } = await startServer({
      wait(weight, ms, answer) {
        const admit = () => answer({ admitted: true, retryAfterSeconds: 0, reason: '' });
        waiting.push({ weight, ms, admit });
        return () => {};
      },
    });
    const answered = get('/admit?wait=1.5s&weight=2').then(({ status }) => status);
    await expect.poll(() => waiting).toMatchObject([{ weight: 2, ms: 1500 }]);
    expect(await Promise.race([answered, Promise.resolve('waits')])).toBe('waits');
    waiting[0]?.admit();
    expect(await answered).toBe(204);
  });

  it('leaves with its client', async () => {
    let [waits, left] = [0, 0];
    const { get } = await startServer({
      wait() {
        waits++;
        return () => void left++;
      },
    });
    const aborted = new AbortController();
    const gone = get('/admit?wait=10s', { signal: aborted.signal }).catch(() => 'gone');
    await expect.poll(() => waits).toBe(1);
    aborted.abort();
    expect(await gone).toBe('gone');
    await expect.poll(() => left).toBe(1);
  });

  it.each(['soon', '', '-1s', '61s', '10s&wait=10s'])('refuses %j', async (wait) => {
    const { get } = await startServer();
    const response = await get(`/admit?wait=${wait}`);
    expect([response.status, await response.json()]).toEqual([400, error('request')]);
  });

  it('below /admit/ goes by the header, for the query belongs to the request that is held', async () => {
    const waited: number[] = [];
    const { get, asked } = await startServer({
      wait(_, ms, answer) {
        waited.push(ms);
        answer({ admitted: true, retryAfterSeconds: 0, reason: '' });
        return () => {};
      },
    });
    expect((await get('/admit/chat?wait=10s')).status).toBe(204);
    expect(asked.weights).toEqual([1]);
    expect((await get('/admit/chat?wait=5s', { headers: { 'x-spillway-wait': '3s' } })).status).toBe(204);
    expect(waited).toEqual([3000]);
  });
});

describe('/admit', () => {
  it('answers 204 when admitted, with a reason a header can carry', async () => {
    const { get, asked } = await startServer();
    const response = await get('/admit');
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(response.headers.get('x-spillway-reason')).toBe('calm - below 85 %');
    expect(asked.weights).toEqual([1]);
  });

  it('answers 503 with Retry-After and the reason when refused', async () => {
    const { get } = await startServer({
      admit: () => ({ admitted: false, retryAfterSeconds: 4.2, reason: 'use at 90 %\r\nx: y' }),
    });
    const response = await get('/admit');
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    expect(response.headers.get('x-spillway-reason')).toBe('use at 90 %-x: y');
    expect(await response.json()).toEqual({ error: { code: 'unavailable', message: 'use at 90 %\r\nx: y' } });
  });

  it('takes a weight, and refuses what is none', async () => {
    const { get, asked } = await startServer();
    for (const query of ['?weight=2.5', '/?weight=1000', '?other=1', '?'])
      expect((await get(`/admit${query}`)).status).toBe(204);
    expect(asked.weights).toEqual([2.5, 1000, 1, 1]);
    for (const weight of ['0', '-1', '1001', 'x', '', '%zz', '1&weight=2']) {
      const response = await get(`/admit?weight=${weight}`);
      expect([weight, response.status, await response.json()]).toEqual([weight, 400, error('request')]);
    }
  });

  it.each([
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
  ])('lets a proxy ask with %s and the path, query and body of the request it holds', async (method) => {
    const { get, asked } = await startServer();
    const body = method === 'GET' || method === 'HEAD' ? null : 'x'.repeat(200_000);
    const response = await get('/admit/v1/chat%zz/../x?weight=heavy', { method, body });
    expect(response.status).toBe(204);
    expect(asked.weights).toEqual([1]);
    expect((await get('/livez')).status).toBe(200);
  });

  it('does not mistake a longer word for itself', async () => {
    const { get } = await startServer();
    expect((await get('/admittance')).status).toBe(404);
  });
});

describe('data', () => {
  it('makes history and metrics once for a burst of requests', async () => {
    const { get, asked } = await startServer();
    /** How many were made of 20 asked for at once, where each is kept for `keptMs`; at most so many on a slow machine. */
    const burst = async (path: string, keptMs: number) => {
      const startMs = performance.now();
      const bodies = await Promise.all(Array.from({ length: 20 }, () => get(path).then((r) => r.text())));
      return { bodies, most: 1 + Math.floor((performance.now() - startMs) / keptMs) };
    };
    const history = await burst('/v1/history', 1000);
    expect(new Set(history.bodies).size).toBeLessThanOrEqual(history.most);
    expect(history.bodies[0]).toBe('{"readings":[0],"transitions":[]}');
    const metrics = await burst('/metrics', 250);
    expect(asked.metrics).toBeLessThanOrEqual(metrics.most);
    expect((await get('/metrics')).headers.get('content-type')).toBe('text/plain; version=0.0.4');
  });

  it('lists post-mortems and serves each by its id', async () => {
    const reports = [
      { id: 'b/2', cause: 'oom-killed' },
      { id: 'a', cause: 'exit', reason: 'größer' },
    ];
    const { get } = await startServer({ postMortems: () => reports });
    expect(await (await get('/v1/post-mortems')).json()).toEqual(reports);
    expect(await (await get('/v1/post-mortems/b%2F2')).json()).toEqual(reports[0]);
    expect(await (await get('/v1/post-mortems/a')).json()).toEqual(reports[1]);
    const missing = await get('/v1/post-mortems/c');
    expect([missing.status, await missing.json()]).toEqual([404, error('not-found')]);
    expect((await get('/v1/post-mortems/%zz')).status).toBe(400);
  });

  it('has an empty list before the first death', async () => {
    const { get } = await startServer();
    expect(await (await get('/v1/post-mortems')).json()).toEqual([]);
  });
});

describe('everything else', () => {
  const paths = [
    '/readyz',
    '/livez',
    '/metrics',
    '/v1/status',
    '/v1/history',
    '/v1/post-mortems',
    '/v1/stream',
  ];

  it.each(paths)('HEAD %s has the head and no body', async (path) => {
    const { get } = await startServer();
    const response = await get(path, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  it.each(paths)('other methods on %s are refused', async (path) => {
    const { get } = await startServer();
    for (const method of ['POST', 'DELETE', 'OPTIONS']) {
      const response = await get(path, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
      expect(await response.json()).toEqual(error('method-not-allowed'));
    }
  });

  it('unknown routes, broken paths, broken requests and huge headers each get a fitting answer', async () => {
    const { get, port } = await startServer();
    const unknown = await get('/v1/nothing');
    expect([unknown.status, await unknown.json()]).toEqual([404, error('not-found')]);
    expect((await get('/%E0%A4%A')).status).toBe(400);
    expect((await get('/READYZ')).status).toBe(404);
    const broken = await exchange(port, 'nonsense\r\n\r\n');
    expect(broken).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(JSON.parse(broken.split('\r\n\r\n')[1] ?? '')).toEqual(error('request'));
    const huge = await exchange(port, `GET /readyz HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(huge).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
    expect(JSON.parse(huge.split('\r\n\r\n')[1] ?? '')).toEqual(error('request'));
  });

  it('answers 500 and reports it when a source throws, and goes on', async () => {
    const failure = new Error('secret');
    const { get, errors } = await startServer({
      metrics: { contentType: 'text/plain', render: () => Promise.reject(failure) },
      history: () => {
        throw failure;
      },
    });
    for (const path of ['/metrics', '/v1/history']) {
      const response = await get(path);
      const text = await response.text();
      expect([response.status, JSON.parse(text)]).toEqual([500, error('internal')]);
      expect(text).not.toContain('secret');
    }
    expect(errors).toEqual([failure, failure]);
    expect((await get('/livez')).status).toBe(200);
  });

  it('survives whatever bytes come', async () => {
    const { get, port } = await startServer();
    const line = fc.constantFrom(
      'GET /readyz HTTP/1.1',
      'POST /admit HTTP/1.1',
      'Host: x',
      'Content-Length: 5',
      'Transfer-Encoding: chunked',
      '',
      'ffffffff',
      'Expect: 100-continue',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(line, fc.string()), { maxLength: 8 }), async (lines) => {
        await new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => socket.end(`${lines.join('\r\n')}\r\n`));
          socket.on('error', () => {}).on('close', () => resolve());
          socket.resume();
        });
      }),
      { numRuns: 100 },
    );
    expect((await get('/livez')).status).toBe(200);
  });
});

describe('a name of somebody else that points to loopback', () => {
  const ask = async (path: string, host: string) => {
    const { port } = await startServer();
    return exchange(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  };

  it.each([
    '/',
    '/v1/status',
    '/v1/history',
    '/v1/post-mortems',
    '/v1/stream',
    '/metrics',
  ])('reads nothing of the agent: %s', async (path) => {
    expect(await ask(path, 'evil.example:9797')).toMatch(/^HTTP\/1\.1 403[\s\S]*"code":"forbidden"/);
  });

  it('is answered as a probe and for admission, and learns no more', async () => {
    expect(await ask('/livez', 'agent.example')).toMatch(/^HTTP\/1\.1 200/);
    expect(await ask('/admit', 'agent.example')).toMatch(/^HTTP\/1\.1 204/);
    expect(await ask('/readyz', 'agent.example')).toMatch(/^HTTP\/1\.1 200[\s\S]*\r\n\r\n\{"ready":true\}$/);
  });

  it.each([
    'localhost:9797',
    '127.0.0.1:9797',
    '[::1]:9797',
    'agent.default.svc:9797',
    'agent',
  ])('is not %s', async (host) => {
    expect(await ask('/v1/status', host)).toMatch(/^HTTP\/1\.1 200/);
  });
});

describe('listening', () => {
  it('names the address and the hint when the port is in use', async () => {
    const { port } = await startServer();
    const { server } = await startServer();
    await server.close();
    await expect(server.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'listen',
      message: `cannot listen on 127.0.0.1:${port}: the port is in use`,
      hint: expect.stringContaining('--listen'),
    });
    await expect(server.listen({ host: '203.0.113.1', port: 1 })).rejects.toMatchObject({ code: 'listen' });
  });

  it('closes although clients keep their connections', async () => {
    const { server, get, port } = await startServer();
    await get('/livez');
    const stream = exchange(port, 'GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => server.streams().clients).toBe(1);
    await server.close();
    expect(await stream).toContain('event: status');
    await expect(get('/livez')).rejects.toThrow();
  });
});
