import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Advice, type ConnectOptions, connect, type Level } from '../../../src/agent/index.ts';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import { startServer } from '../../support/http-server.ts';
import { until } from '../../support/started.ts';
import { statusWith } from '../../support/status.ts';

/** Far above what the tests themselves use, so that own readings are calm. */
const ROOMY = 64 * 1024 ** 3;

function pressureOf(options: ConnectOptions = {}) {
  const pressure = connect({ limitBytes: ROOMY, ...options });
  onTestFinished(() => pressure.close());
  const told: [Level, Level][] = [];
  const advised: Advice[] = [];
  pressure.on('level', (level, previous) => told.push([level, previous]));
  pressure.on('advice', (advice) => advised.push(advice));
  return { pressure, told, advised, actions: () => advised.map(({ action }) => action) };
}

/** A server that answers each request as told. */
async function rawServer(answer: (response: ServerResponse, times: number) => void): Promise<string> {
  let times = 0;
  const server = createServer((_request, response) => answer(response, times++));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

/** What this process holds, in bytes, as the library reads it. */
function heldBytes(): number {
  const probe = connect({ url: null, limitBytes: ROOMY });
  const held = (probe.ratio ?? 0) * ROOMY;
  probe.close();
  return held;
}

describe('with a sidecar', () => {
  it('says what the sidecar says, from its first word on', async () => {
    const { port, state } = await startServer();
    state.status = statusWith({ level: 'shedding', ready: false, ratio: 0.87, secondsToLimit: 12.5 });
    const { pressure, told, advised } = pressureOf({ url: `http://127.0.0.1:${port}/` });
    expect(pressure.source).toBe('own');
    await until(() => pressure.source === 'sidecar');
    expect(pressure).toMatchObject({ level: 'shedding', ratio: 0.87, secondsToLimit: 12.5 });
    expect(told).toEqual([['shedding', 'ok']]);
    expect(advised).toEqual([{ action: 'refuse', level: 'shedding', ratio: 0.87, secondsToLimit: 12.5 }]);
  });

  it('tells each change of level and each new advice once', async () => {
    const { port, publish } = await startServer();
    const { pressure, told, actions } = pressureOf({ url: `http://127.0.0.1:${port}` });
    await until(() => pressure.source === 'sidecar');
    const advise = (action: string) => publish({ event: 'advice', data: { action, level: pressure.level } });
    publish({ event: 'status', data: statusWith({ level: 'warning', ratio: 0.8 }) });
    advise('trim');
    await until(() => told.length === 1);
    publish({ event: 'reading', data: { level: 'warning', ratio: 0.82, ready: true, secondsToLimit: 30 } });
    await until(() => pressure.ratio === 0.82);
    expect(pressure.secondsToLimit).toBe(30);
    advise('save');
    await until(() => actions().includes('save'));
    publish({ event: 'status', data: statusWith() });
    advise('none');
    await until(() => pressure.level === 'ok');
    expect(told).toEqual([
      ['warning', 'ok'],
      ['ok', 'warning'],
    ]);
    expect(actions()).toEqual(['trim', 'save', 'none']);
  });

  it('accepts all below shedding, a falling share above, nothing at critical, and a little when stuck', async () => {
    const { port, publish } = await startServer();
    const { pressure } = pressureOf({ url: `http://127.0.0.1:${port}` });
    await until(() => pressure.source === 'sidecar');
    const accepted = (weight?: number) =>
      Array.from({ length: 100 }, () => pressure.accept(weight)).filter(Boolean).length;
    const become = async (level: Level, ratio: number, ready = false) => {
      publish({ event: 'status', data: statusWith({ level, ratio, ready }) });
      await until(() => pressure.ratio === ratio);
    };
    // a sidecar with a shed ratio of its own, above the one that holds here
    await become('warning', 0.88, true);
    expect(accepted()).toBe(100);
    await become('shedding', 0.885);
    expect(Math.abs(accepted() - 50)).toBeLessThanOrEqual(1);
    expect(Math.abs(accepted(2) - 25)).toBeLessThanOrEqual(1);
    for (const nonsense of [Number.NaN, -1, 0])
      expect(Math.abs(accepted(nonsense) - 50)).toBeLessThanOrEqual(1);
    await become('critical', 0.93);
    expect(accepted()).toBe(0);
    await become('critical', 0.94, true);
    expect(Math.abs(accepted() - 10)).toBeLessThanOrEqual(1);
  });

  it('goes on with own readings when the sidecar goes, and follows it again when it is back', async () => {
    const first = await startServer();
    first.state.status = statusWith({ level: 'critical', ratio: 0.95 });
    const { pressure, told } = pressureOf({ url: `http://127.0.0.1:${first.port}` });
    await until(() => pressure.level === 'critical');
    await first.server.close();
    await until(() => pressure.source === 'own');
    expect(pressure.level).toBe('ok');
    expect(pressure.ratio).toBeGreaterThan(0);
    const second = await startServer({}, first.port);
    second.state.status = statusWith({ level: 'warning', ratio: 0.8 });
    await until(() => pressure.source === 'sidecar');
    expect(told).toEqual([
      ['critical', 'ok'],
      ['ok', 'critical'],
      ['warning', 'ok'],
    ]);
  });

  it('trusts own readings while the sidecar cannot read', async () => {
    const { port, publish, listeners } = await startServer({
      status: () => statusWith({ blind: true, ratio: null, limitBytes: null }),
    });
    const { pressure } = pressureOf({ url: `http://127.0.0.1:${port}` });
    await until(() => listeners.size === 1);
    expect(pressure.source).toBe('own');
    publish({ event: 'status', data: statusWith({ ratio: 0.5 }) });
    await until(() => pressure.source === 'sidecar');
    publish({ event: 'status', data: statusWith({ blind: true, ratio: null }) });
    await until(() => pressure.source === 'own');
    expect(pressure.ratio).not.toBe(0.5);
  });

  it('passes over what it does not understand', async () => {
    const url = await rawServer((response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      for (const data of ['{"level":"cri', 'null', '[]', '7', '{"level":"panic","ratio":1}', '{"ratio":1}'])
        response.write(`event: status\ndata: ${data}\n\n`);
      response.write(
        'event: advice\ndata: {"action":"run"}\n\nevent: future\ndata: {"level":"critical"}\n\n\n\n',
      );
      response.write('event: status\ndata: {"level":"warning","ratio":0.8,"secondsToLimit":"soon"}\n\n');
    });
    const { pressure, told, actions } = pressureOf({ url });
    await until(() => pressure.source === 'sidecar');
    expect(pressure).toMatchObject({ level: 'warning', ratio: 0.8, secondsToLimit: null });
    expect(told).toEqual([['warning', 'ok']]);
    expect(actions()).toEqual(['trim']);
  });

  it('tries again after refusals, floods and streams cut short', async () => {
    const url = await rawServer((response, times) => {
      if (times === 0) return void response.writeHead(503, { 'Retry-After': '1' }).end('{}');
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (times === 1) response.write('x'.repeat(200_000));
      else if (times === 2) response.write('event: status\nda', () => response.destroy());
      else response.write('event: status\ndata: {"level":"ok","ratio":0.25}\n\n');
    });
    const { pressure } = pressureOf({ url });
    await until(() => pressure.source === 'sidecar');
    expect(pressure.ratio).toBe(0.25);
  });

  it('gives up one that has gone silent', async () => {
    const url = await rawServer((response, times) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (times === 0) response.write('event: status\ndata: {"level":"critical","ratio":0.95}\n\n');
    });
    const { pressure } = pressureOf({ url });
    await until(() => pressure.level === 'critical');
    await until(() => pressure.source === 'own');
    expect(pressure.level).toBe('ok');
  });
});

describe('without a sidecar', () => {
  it('knows the level at once, from the process itself', () => {
    const limitBytes = heldBytes() / 0.95;
    const { pressure } = pressureOf({ url: null, limitBytes });
    expect(pressure).toMatchObject({ level: 'critical', source: 'own' });
    expect(pressure.ratio).toBeGreaterThan(0.9);
    expect(pressure.accept()).toBe(false);
  });

  it('notices a burst when the next work asks to be let in', async () => {
    const limitBytes = 2 * heldBytes();
    const { pressure, told, actions } = pressureOf({ url: null, limitBytes, hold: 0 });
    expect(pressure.accept()).toBe(true);
    await sleep(25);
    const burst: Buffer[] = [];
    // memory that was free in this process already does not count: until it is held, whatever was there
    while (heldBytes() < 0.97 * limitBytes) burst.push(Buffer.alloc(Math.ceil(limitBytes / 16), 1));
    expect(pressure.accept()).toBe(false);
    expect(told).toEqual([['critical', 'ok']]);
    expect(actions()).toEqual(['save']);
    expect(burst).not.toHaveLength(0);
  });

  it('refuses a share between its own ratios', () => {
    const { pressure } = pressureOf({
      url: null,
      limitBytes: heldBytes() / 0.5,
      shedRatio: 0.1,
      criticalRatio: 0.9,
    });
    const accepted = Array.from({ length: 100 }, () => pressure.accept()).filter(Boolean).length;
    expect(accepted).toBeGreaterThan(25);
    expect(accepted).toBeLessThan(75);
  });

  it('takes nonsense for not given, and says so only to those who ask', async () => {
    const errors: unknown[] = [];
    for (const url of ['nonsense', 'https://127.0.0.1:1', 'http://[', ''])
      expect(
        pressureOf({ url, warnRatio: Number.NaN, onError: (error) => errors.push(error) }).pressure.level,
      ).toBe('ok');
    expect(errors).toHaveLength(4);
    for (const error of errors) expect(error).toBeInstanceOf(SpillwayError);
    const { pressure } = pressureOf({ url: 'http://127.0.0.1:9' });
    await sleep(50);
    expect(pressure.source).toBe('own');
  });

  it('goes by SPILLWAY_URL', async () => {
    const { port } = await startServer();
    process.env['SPILLWAY_URL'] = `http://127.0.0.1:${port}`;
    onTestFinished(() => {
      delete process.env['SPILLWAY_URL'];
    });
    const { pressure } = pressureOf();
    await until(() => pressure.source === 'sidecar');
  });
});

describe('listeners', () => {
  it('that throw or reject disturb neither the others nor the program', async () => {
    const { port, publish } = await startServer();
    const errors: unknown[] = [];
    const { pressure, told } = pressureOf({
      url: `http://127.0.0.1:${port}`,
      onError(error) {
        errors.push(error);
        throw new Error('so does this one');
      },
    });
    const boom = new Error('boom');
    pressure.on('level', () => {
      throw boom;
    });
    pressure.on('level', async () => {
      throw boom;
    });
    let after = 0;
    pressure.on('level', () => after++);
    await until(() => pressure.source === 'sidecar');
    publish({ event: 'status', data: statusWith({ level: 'warning', ratio: 0.8 }) });
    await until(() => errors.length === 2);
    expect(errors).toEqual([boom, boom]);
    expect([after, told.length, pressure.level]).toEqual([1, 1, 'warning']);
  });

  it('are called once, and not after off or close', async () => {
    const { port, publish } = await startServer();
    const { pressure, told } = pressureOf({ url: `http://127.0.0.1:${port}` });
    let count = 0;
    const listener = () => count++;
    pressure.on('level', listener).on('level', listener);
    await until(() => pressure.source === 'sidecar');
    publish({ event: 'status', data: statusWith({ level: 'warning', ratio: 0.8 }) });
    await until(() => told.length === 1);
    pressure.off('level', listener);
    publish({ event: 'status', data: statusWith({ level: 'critical', ratio: 0.95 }) });
    await until(() => told.length === 2);
    expect(count).toBe(1);
    pressure.close();
    pressure.close();
    pressure.on('level', listener);
    expect(pressure).toMatchObject({ level: 'ok', ratio: null, secondsToLimit: null, source: 'own' });
    expect(pressure.accept()).toBe(true);
    expect(told).toHaveLength(2);
  });

  it('of an event there is not are no error', () => {
    const { pressure } = pressureOf({ url: null });
    const wrong = 'levle' as 'level';
    expect(() => pressure.on(wrong, () => {}).off(wrong, () => {})).not.toThrow();
  });
});
