import { describe, expect, it, onTestFinished } from 'vitest';
import { type AdminServerDeps, createAdminServer } from '../../../src/adapters/admin-server.ts';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import { exchange } from '../../support/http-server.ts';

const error = (code: string, message: unknown = expect.any(String)) => ({ error: { code, message } });

/** A real server on a free port, with what it asked for. */
async function startAdmin(changes: Partial<AdminServerDeps> = {}, host = '127.0.0.1') {
  const asked: (string | number)[] = [];
  const errors: unknown[] = [];
  const server = createAdminServer({
    collect: async () => {
      asked.push('collect');
      return { verdict: 'freed', freedBytes: 5 };
    },
    profile: async (seconds) => {
      asked.push(seconds);
      return { sites: [] };
    },
    snapshot: async () => ({ file: '/r/a.heapsnapshot', bytes: 9 }),
    token: undefined,
    onError: (thrown) => errors.push(thrown),
    ...changes,
  });
  const { port } = await server.listen({ host, port: 0 });
  onTestFinished(() => server.close());
  const post = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', ...init });
  return { server, port, asked, errors, post };
}

const rejecting = (code: 'busy' | 'unavailable' | 'read', hint?: string) => async () => {
  throw new SpillwayError(code, 'the reason', hint === undefined ? {} : { hint });
};

describe('acting on the agent', () => {
  it('answers each route with its result', async () => {
    const { post } = await startAdmin();
    for (const [path, body] of [
      ['/v1/gc', { verdict: 'freed', freedBytes: 5 }],
      ['/v1/profile', { sites: [] }],
      ['/v1/snapshot', { file: '/r/a.heapsnapshot', bytes: 9 }],
    ] as const) {
      const response = await post(path);
      expect([response.status, await response.json()]).toEqual([200, body]);
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  });

  it('takes the seconds of a profile, and refuses what is none', async () => {
    const { post, asked } = await startAdmin();
    for (const query of ['', '?', '?seconds=0', '?seconds=60', '?seconds=1.5', '?other=1'])
      expect((await post(`/v1/profile${query}`)).status).toBe(200);
    expect(asked.splice(0)).toEqual([0, 0, 0, 60, 1.5, 0]);
    for (const seconds of ['', '-1', '61', 'x', '1e1', ' 1', 'Infinity', '1&seconds=2', '%zz']) {
      const response = await post(`/v1/profile?seconds=${seconds}`);
      expect([seconds, response.status, await response.json()]).toEqual([seconds, 400, error('request')]);
    }
    expect(asked).toEqual([]);
  });

  it('answers 409 while the same runs, and lets the others run', async () => {
    let finish = () => {};
    const held = new Promise<object>((resolve) => {
      finish = () => resolve({ done: true });
    });
    const { post } = await startAdmin({ collect: () => held });
    const first = post('/v1/gc');
    await expect.poll(async () => (await post('/v1/gc')).status).toBe(409);
    const second = await post('/v1/gc');
    expect([second.headers.get('retry-after'), await second.json()]).toEqual(['1', error('busy')]);
    expect((await post('/v1/profile')).status).toBe(200);
    finish();
    expect(await (await first).json()).toEqual({ done: true });
    expect((await post('/v1/gc')).status).toBe(200);
  });

  it('answers 409 and 503 with the reason and the hint, 500 without', async () => {
    const { post, errors } = await startAdmin({
      collect: rejecting('busy'),
      profile: rejecting('unavailable', 'the hint'),
      snapshot: rejecting('read'),
    });
    const [busy, unavailable, broken] = await Promise.all(
      ['/v1/gc', '/v1/profile', '/v1/snapshot'].map((path) => post(path)),
    );
    expect([busy?.status, await busy?.json()]).toEqual([409, error('busy', 'the reason')]);
    expect([unavailable?.status, await unavailable?.json()]).toEqual([
      503,
      error('unavailable', 'the reason; the hint'),
    ]);
    expect([busy?.headers.get('retry-after'), unavailable?.headers.get('retry-after')]).toEqual(['1', '10']);
    expect([broken?.status, await broken?.text()]).toEqual([500, expect.not.stringContaining('the reason')]);
    expect(errors).toHaveLength(1);
  });
});

describe('everything else', () => {
  it('is 405 with Allow, or 404', async () => {
    const { post, asked } = await startAdmin();
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await post('/v1/gc', { method });
      expect([method, response.status, response.headers.get('allow')]).toEqual([method, 405, 'POST']);
    }
    for (const path of [
      '/',
      '/v1',
      '/v1/gc/',
      '/V1/GC',
      '/v1/status',
      '//v1/gc',
      '/v1/%67c',
      '/constructor',
    ]) {
      const response = await post(path);
      expect([path, response.status, await response.json()]).toEqual([path, 404, error('not-found')]);
    }
    expect(asked).toEqual([]);
  });

  it('ignores a body, and refuses a large one', async () => {
    const { post, port, asked } = await startAdmin();
    expect(
      (await post('/v1/gc', { body: '{"x":1}', headers: { 'content-type': 'application/json' } })).status,
    ).toBe(200);
    asked.splice(0);
    const large = `POST /v1/gc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n`;
    const answer = await exchange(port, large);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(asked).toEqual([]);
    // one that does not say how large it is costs its sender the connection
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    const endless = 'POST /v1/gc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n';
    await exchange(port, endless + chunk + chunk).catch(() => '');
    expect((await post('/v1/gc')).status).toBe(200);
  });

  it('answers what is not HTTP', async () => {
    const { port } = await startAdmin();
    expect(await exchange(port, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('ends while a request runs', async () => {
    const { server, post } = await startAdmin({ collect: () => new Promise(() => {}) });
    const hung = post('/v1/gc').catch((thrown: unknown) => thrown);
    await expect.poll(async () => (await post('/v1/gc')).status).toBe(409);
    await server.close();
    expect(await hung).toBeInstanceOf(Error);
  });

  it('names its own option when the address is taken', async () => {
    const { port } = await startAdmin();
    const { server } = await startAdmin();
    await server.close();
    await expect(server.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'listen',
      hint: expect.stringContaining('--admin-listen'),
    });
  });
});

describe('browsers', () => {
  const raw = (port: number, headers: string) =>
    exchange(port, `POST /v1/gc HTTP/1.1\r\nConnection: close\r\n${headers}\r\n\r\n`);

  it.each([
    'http://evil.example',
    'http://127.0.0.1:9798',
    'null',
    '',
  ])('are refused: Origin %j', async (origin) => {
    const { port, asked } = await startAdmin();
    const answer = await raw(port, `Host: localhost\r\nOrigin: ${origin}`);
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toEqual(error('forbidden'));
    expect(asked).toEqual([]);
  });

  it.each([
    'evil.example',
    '127.0.0.1.evil.example:9798',
    'evil.example:80',
    '',
    '10.0.0.1',
    '[::2]:1',
    'localhost@evil',
  ])('are refused by a name that only points here: %j', async (host) => {
    const { port, asked } = await startAdmin();
    expect(await raw(port, `Host: ${host}`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(asked).toEqual([]);
  });

  it.each([
    'localhost',
    'localhost:9798',
    '127.0.0.1:1',
    '[::1]:9798',
    'LOCALHOST',
  ])('are not meant: Host %j', async (host) => {
    const { port } = await startAdmin();
    expect(await raw(port, `Host: ${host}`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('a server open to others is asked by any name', async () => {
    const { port } = await startAdmin({ token: 'correct-horse' }, '0.0.0.0');
    expect(await raw(port, 'Host: guardian.example\r\nAuthorization: Bearer correct-horse')).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    expect(await raw(port, 'Host: a\r\nOrigin: http://a\r\nAuthorization: Bearer correct-horse')).toMatch(
      /^HTTP\/1\.1 403 /,
    );
  });
});

describe('a token', () => {
  it('is needed on every route, and told apart from a wrong one', async () => {
    const { post, asked } = await startAdmin({ token: 'correct-horse' });
    const status = async (authorization?: string, path = '/v1/gc') => {
      const response = await post(path, authorization === undefined ? {} : { headers: { authorization } });
      return [response.status, response.headers.get('www-authenticate')];
    };
    expect(await status()).toEqual([401, 'Bearer realm="spillway"']);
    expect(await status(undefined, '/nowhere')).toEqual([401, 'Bearer realm="spillway"']);
    const wrong = [401, 'Bearer realm="spillway", error="invalid_token"'];
    for (const given of ['correct-hors', 'correct-horse1', 'correct-horse x', '*'])
      expect(await status(`Bearer ${given}`)).toEqual(wrong);
    for (const given of ['Basic Y29ycmVjdC1ob3JzZQ==', 'correct-horse', 'Bearer', 'Bearer '])
      expect(await status(given)).toEqual([401, 'Bearer realm="spillway"']);
    expect(asked).toEqual([]);
    expect(await status('Bearer correct-horse')).toEqual([200, null]);
    expect(await status('bearer  correct-horse')).toEqual([200, null]);
  });
});
