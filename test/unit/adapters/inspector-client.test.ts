import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocketServer } from 'ws';
import { connectInspector } from '../../../src/adapters/inspector-client.ts';

/** A session with an inspector whose answers are of this size. */
async function sessionWith(answerBytes: number) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.close());
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data) => {
      const { id } = JSON.parse(String(data));
      socket.send(JSON.stringify({ id, result: { profile: 'x'.repeat(answerBytes) } }));
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const session = await connectInspector(`ws://127.0.0.1:${port}`, 1000);
  onTestFinished(() => session.close());
  return session;
}

it('takes an answer of the size of a large profile', async () => {
  const session = await sessionWith(7 * 2 ** 20);
  const { profile } = await session.send<{ profile: string }>('HeapProfiler.getSamplingProfile');
  expect(profile).toHaveLength(7 * 2 ** 20);
});

it('gives up an agent that answers with more than a sidecar can hold', async () => {
  const session = await sessionWith(9 * 2 ** 20);
  await expect(session.send('HeapProfiler.getSamplingProfile')).rejects.toMatchObject({ retryable: true });
  expect(session.open).toBe(false);
});
