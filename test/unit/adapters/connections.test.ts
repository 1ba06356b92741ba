import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startServer } from '../../support/http-server.ts';

/** A neighbour of the pod: every address of 127.0.0.0/8 is one of this host. */
const NEIGHBOUR = '127.0.0.2';
const STREAM = 'GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n';
const HALF = 'GET /livez HTTP/1.1\r\nHost: x\r\nX-Half: ';

function client(port: number, text: string, localAddress = NEIGHBOUR) {
  const got = { text: '', closed: false };
  const socket = connect({ port, host: '127.0.0.1', localAddress }, () => socket.write(text));
  socket.on('data', (data) => (got.text += data)).on('error', () => {});
  socket.on('close', () => (got.closed = true));
  onTestFinished(() => void socket.destroy());
  return { socket, got };
}
const clients = (count: number, port: number, text: string) =>
  Array.from({ length: count }, () => client(port, text).got);
const isClosed = ({ closed }: { closed: boolean }) => closed;

describe('connections of a neighbour', () => {
  it.each([
    ['idle', ''],
    ['half a request each', HALF],
  ])('give way to its newer ones: %s', async (_, text) => {
    const { port, get } = await startServer();
    const first = clients(100, port, text);
    await new Promise((resolve) => setTimeout(resolve, 1100)); // no flood: those are younger than a second
    const later = clients(60, port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => later.every((got) => got.text.startsWith('HTTP/1.1 200'))).toBe(true);
    expect(first.filter(isClosed).length).toBeGreaterThanOrEqual(32);
    expect((await get('/readyz')).status).toBe(200);
  });

  it('cost nobody else a stream: neither the agent nor another neighbour', async () => {
    const { port, server } = await startServer();
    const its = clients(100, port, STREAM);
    await expect.poll(() => its.filter(({ text }) => text !== '').length).toBe(100);
    expect(its.filter(({ text }) => text.startsWith('HTTP/1.1 503')).length).toBe(36);
    expect(server.streams().clients).toBe(64);
    for (const address of ['127.0.0.1', '127.0.0.3']) {
      const { got } = client(port, STREAM, address);
      await expect.poll(() => got.text).toMatch(/^HTTP\/1\.1 200/);
    }
  });

  it('are closed when they bring one request after another without waiting, and serve nobody else late', async () => {
    const { port, asked } = await startServer();
    const { got } = client(port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1500));
    await expect.poll(() => got.closed).toBe(true);
    expect(asked.requests).toBeLessThan(100);
  });

  it('answer eight requests sent at once, in order', async () => {
    const { port } = await startServer();
    const { got } = client(port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(8));
    await expect.poll(() => got.text.match(/HTTP\/1\.1 200/g)?.length).toBe(8);
    expect(got.closed).toBe(false);
  });

  it('get no large answer beside eight others under way, nor behind another of the same connection', async () => {
    const { port } = await startServer();
    const { got } = client(
      port,
      `GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/history HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    await expect.poll(() => got.text).toMatch(/^HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 503/);
  });
});
