import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Servers } from '../../../src/agent/hook/servers.ts';
import {
  connect,
  expressShed,
  fastifyShed,
  honoShed,
  limit,
  OverloadedError,
  type Pressure,
} from '../../../src/agent/index.ts';
import { HOOK_VERSION, type MemoryMessage } from '../../../src/core/model/hook-messages.ts';
import { fakePressure } from '../../support/fake-pressure.ts';

// Real servers of each framework, with the middleware as their users write it.

interface Setup {
  pressure: Pressure;
  maxWaitMs?: number;
  /** What the agent does with a body. */
  work: (body: string) => Promise<string>;
}

/** Each puts the middleware in twice, as where a router brings its own. */
const FRAMEWORKS: Record<string, (setup: Setup) => Promise<number>> = {
  async express({ pressure, maxWaitMs, work }) {
    const app = express();
    app.use(expressShed(pressure, { maxWaitMs }), express.text());
    app.use('/chat', expressShed(pressure, { weight: (request: express.Request) => request.path.length }));
    app.all('/{*path}', async (request, response) => void response.send(await work(request.body ?? '')));
    const server = createServer(app).listen(0);
    onTestFinished(() => void server.close().closeAllConnections());
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
  async fastify({ pressure, maxWaitMs, work }) {
    const app = fastify({ forceCloseConnections: true });
    app.register(fastifyShed(pressure, { maxWaitMs }));
    app.register(fastifyShed(pressure));
    app.all('/*', async (request) => await work((request.body as string | undefined) ?? ''));
    onTestFinished(() => app.close());
    await app.listen({ port: 0 });
    return (app.server.address() as AddressInfo).port;
  },
  async hono({ pressure, maxWaitMs, work }) {
    const app = new Hono();
    app.use(honoShed(pressure, { maxWaitMs }), honoShed(pressure));
    app.all('/*', async (c) => c.text(await work(await c.req.text())));
    const server = serve({ fetch: app.fetch, port: 0 });
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
};

/** Work that ends when the test says so. */
function heldWork() {
  const began: string[] = [];
  const ends = new Map<string, () => void>();
  onTestFinished(() => {
    for (const end of ends.values()) end();
  });
  return {
    began,
    end: (body: string) => ends.get(body)?.(),
    async work(body: string) {
      began.push(body);
      await new Promise<void>((resolve) => ends.set(body, resolve));
      return `${body} done`;
    },
  };
}

function client(port: number) {
  return async (body: string, path = '/chat') => {
    const headers = { 'Content-Type': 'text/plain' };
    const init = path === '/chat' ? { method: 'POST', body, headers } : {};
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      text: await response.text(),
    };
  };
}

describe.each(Object.entries(FRAMEWORKS))('middleware for %s', (_name, start) => {
  it('holds a request until there is room, and refuses one that has waited for too long', async () => {
    const { began, end, work } = heldWork();
    const post = client(await start({ pressure: fakePressure(0.95), maxWaitMs: 1000, work }));
    const first = post('a');
    await vi.waitUntil(() => began.length === 1);
    const second = post('b');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(began).toEqual(['a']);
    end('a');
    await vi.waitUntil(() => began.length === 2);
    const third = await post('c');
    expect(third).toMatchObject({ status: 503, retryAfter: expect.stringMatching(/^\d+$/) });
    expect(JSON.parse(third.text)).toMatchObject({ error: 'overloaded' });
    end('b');
    expect([await first, await second]).toMatchObject([
      { status: 200, text: 'a done' },
      { status: 200, text: 'b done' },
    ]);
    expect(began).toEqual(['a', 'b']);
  });

  it('lets probes pass', async () => {
    const { began, end, work } = heldWork();
    const port = await start({ pressure: fakePressure(0.95), work });
    const post = client(port);
    const first = post('a');
    await vi.waitUntil(() => began.length === 1);
    const probe = post('', '/healthz');
    await vi.waitUntil(() => began.length === 2);
    end('');
    end('a');
    expect([(await probe).status, (await first).status]).toEqual([200, 200]);
  });

  it('forgets who has gone, waiting or in flight', async () => {
    const { began, end, work } = heldWork();
    const port = await start({ pressure: fakePressure(0.95), work });
    const gone = ['a', 'b'].map((body) => {
      const request = httpRequest({
        port,
        method: 'POST',
        path: '/chat',
        headers: { 'Content-Type': 'text/plain' },
      });
      request.on('error', () => {}).end(body);
      return request;
    });
    await vi.waitUntil(() => began.length === 1);
    const third = client(port)('c');
    for (const request of gone) request.destroy();
    await vi.waitUntil(() => began.includes('c'));
    end('c');
    expect(await third).toMatchObject({ status: 200, text: 'c done' });
  });

  it('has a place for what a request limits itself, after its body was read', async () => {
    const pressure = fakePressure(0.95);
    const limited = limit({ pressure });
    const work = (body: string) => limited(async () => `${body} limited`);
    const post = client(await start({ pressure, maxWaitMs: 60_000, work }));
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((body) => post(body)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });
});

describe('the gate of the hook in the same process', () => {
  const GIB = 2 ** 30;
  const memory: MemoryMessage = {
    ...{ type: 'memory', atMs: 0, usedBytes: 0, limitBytes: 64 * GIB, ratio: 0, level: 'ok', stuck: false },
    ...{ shedRatio: 0.85, criticalRatio: 0.92, growthPerSecond: 0, secondsToLimit: null, heap: null },
  };

  it.each([
    ['auto', 'answers for its requests', 3],
    ['off', 'leaves them to the middleware', 1],
  ] as const)('%s: %s', async (gate, _does, atOnce) => {
    const hook = new Servers(() => {});
    hook.hear({ type: 'hello', version: HOOK_VERSION, gate, exempt: [] });
    hook.hear(memory);
    const { began, end, work } = heldWork();
    const shed = expressShed(fakePressure(0.95));
    const server = createServer((request, response) =>
      shed(request, response, async () => void response.end(await work(`${request.url}`))),
    ).listen(0);
    hook.accepted(server);
    onTestFinished(() => void server.close().closeAllConnections());
    await once(server, 'listening');
    const get = client((server.address() as AddressInfo).port);
    const all = ['/1', '/2', '/3'].map((path) => get('', path));
    await vi.waitUntil(() => began.length >= atOnce);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(began).toHaveLength(atOnce);
    for (let ended = 0; ended < 3; ended++) {
      await vi.waitUntil(() => began.length > ended);
      end(began[ended] ?? '');
    }
    expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});

describe('the memory of a pressure of connect', () => {
  it('bounds what waits: of a tiny limit nothing', async () => {
    const pressure = connect({ url: null, limitBytes: 1 });
    onTestFinished(() => pressure.close());
    const limited = limit({ pressure });
    const { end, work } = heldWork();
    const first = limited(() => work('a'));
    await expect(limited(() => 0)).rejects.toBeInstanceOf(OverloadedError);
    end('a');
    expect(await first).toBe('a done');
  });

  it('decides, and no longer once it is closed', async () => {
    const probe = connect({ url: null, limitBytes: 2 ** 40 });
    const limitBytes = (probe.ratio ?? 0) * 2 ** 40;
    probe.close();
    const pressure = connect({ url: null, limitBytes });
    onTestFinished(() => pressure.close());
    const limited = limit({ pressure });
    const { began, end, work } = heldWork();
    const first = limited(() => work('a'));
    await vi.waitUntil(() => began.length === 1);
    const second = limited(() => work('b'));
    expect(began).toEqual(['a']);
    pressure.close();
    await vi.waitUntil(() => began.length === 2);
    for (const body of ['a', 'b']) end(body);
    expect(await Promise.all([first, second])).toEqual(['a done', 'b done']);
  });
});
