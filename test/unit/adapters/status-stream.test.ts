import { describe, expect, it } from 'vitest';
import { MAX_PENDING_BYTES } from '../../../src/adapters/status-stream.ts';
import { open, startServer } from '../../support/http-server.ts';

/** Of this host. */
const MAX_STREAMS = 1024;
const REQUEST = 'GET /v1/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n';

/** A client that collects what it gets. */
function client(port: number) {
  const socket = open(port, REQUEST);
  const state = { text: '', closed: false };
  socket.on('data', (data) => {
    state.text += data;
  });
  socket.on('close', () => {
    state.closed = true;
  });
  socket.on('error', () => {});
  return Object.assign(state, { socket });
}

describe('/v1/stream', () => {
  it('gives the status at once, then what happens, in order', async () => {
    const { port, publish, server, state } = await startServer();
    const one = client(port);
    await expect.poll(() => one.text).toContain('event: status');
    const [head, body] = one.text.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(head).toContain('Content-Type: text/event-stream');
    expect(head).not.toMatch(/transfer-encoding/i);
    expect(body).toBe(`retry: 1000\n\nevent: status\ndata: ${JSON.stringify(state.status)}\n\n`);

    expect(server.streams().clients).toBe(1);
    publish({ event: 'status', data: { level: 'warning' } });
    publish({ event: 'advice', data: { action: 'trim' } });
    publish({ event: 'status', data: { level: 'ok' } });
    const wanted =
      'event: status\ndata: {"level":"warning"}\n\nevent: advice\ndata: {"action":"trim"}\n\nevent: status\ndata: {"level":"ok"}\n\n';
    await expect.poll(() => one.text.endsWith(wanted)).toBe(true);
  });

  it('sends the latest reading about once a second, or a sign of life without one', async () => {
    const { port, publish } = await startServer();
    const one = client(port);
    await expect.poll(() => one.text).toContain('event: status');
    for (let i = 0; i < 50; i++) publish({ event: 'reading', data: { i } });
    await expect.poll(() => one.text, { timeout: 4000 }).toContain('event: reading\ndata: {"i":49}\n\n');
    await expect.poll(() => one.text, { timeout: 4000 }).toContain(': no reading\n\n');
    expect(one.text.match(/event: reading/g)).toHaveLength(1);
  });

  it('follows its source only while somebody listens', async () => {
    const { port, listeners, server } = await startServer();
    expect(listeners.size).toBe(0);
    const [one, two] = [client(port), client(port)];
    await expect.poll(() => server.streams().clients).toBe(2);
    expect(listeners.size).toBe(1);
    one.socket.destroy();
    two.socket.destroy();
    await expect.poll(() => listeners.size).toBe(0);
    expect(server.streams()).toEqual({ clients: 0, dropped: 0 });
    client(port);
    await expect.poll(() => listeners.size).toBe(1);
  });

  it('drops a client that does not read, and no other', async () => {
    const { port, publish, server } = await startServer();
    const reader = client(port);
    const sleeper = open(port, REQUEST);
    sleeper.on('error', () => {});
    await expect.poll(() => server.streams().clients).toBe(2);
    sleeper.pause();
    const text = 'x'.repeat(MAX_PENDING_BYTES);
    let sent = 0;
    // The kernel buffers some megabytes for the sleeper first.
    while (server.streams().dropped === 0 && sent < 1000) {
      publish({ event: 'advice', data: { text, n: ++sent } });
      await expect.poll(() => reader.text.endsWith(`"n":${sent}}\n\n`), { interval: 1 }).toBe(true);
      reader.text = '';
    }
    expect(server.streams()).toEqual({ clients: 1, dropped: 1 });
    expect(reader.closed).toBe(false);
  });

  it(`serves ${MAX_STREAMS} clients and refuses the next`, async () => {
    const { port, publish, server, get } = await startServer();
    const clients = Array.from({ length: MAX_STREAMS }, () => client(port));
    await expect.poll(() => server.streams().clients, { timeout: 15_000 }).toBe(MAX_STREAMS);
    const refused = await get('/v1/stream');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
    expect(await refused.json()).toMatchObject({ error: { code: 'unavailable' } });
    expect((await get('/readyz')).status).toBe(200);
    publish({ event: 'advice', data: { n: 1 } });
    await expect
      .poll(() => clients.every(({ text }) => text.includes('data: {"n":1}\n\n')), { timeout: 15_000 })
      .toBe(true);
    for (const { socket } of clients.slice(0, 10)) socket.destroy();
    await expect.poll(() => server.streams().clients).toBe(MAX_STREAMS - 10);
  });

  it('ends at once when the server closes', async () => {
    const { port, server } = await startServer();
    const one = client(port);
    await expect.poll(() => server.streams().clients).toBe(1);
    await server.close();
    await expect.poll(() => one.closed).toBe(true);
    expect(server.streams().clients).toBe(0);
  });
});
