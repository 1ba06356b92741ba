import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { createHttpServer, type HttpServerDeps } from '../../src/adapters/http-server.ts';
import type { StreamMessage } from '../../src/adapters/status-stream.ts';
import type { Status } from '../../src/core/model/status.ts';
import { statusWith } from './status.ts';

/** A real server on a free port (or the one given), with counters of what it asked for; ended with the test. */
export async function startServer(changes: Partial<HttpServerDeps> = {}, wantedPort = 0) {
  const state = { status: statusWith() as Status, version: 0 };
  const asked = {
    requests: 0,
    status: 0,
    history: 0,
    metrics: 0,
    weights: [] as number[],
    readiness: [] as { ready: boolean; byKubelet: boolean }[],
  };
  const errors: unknown[] = [];
  const listeners = new Set<(message: StreamMessage) => void>();
  const server = createHttpServer({
    onRequest: () => asked.requests++,
    onReadiness: (ready, byKubelet) => asked.readiness.push({ ready, byKubelet }),
    livez: () => true,
    status: () => {
      asked.status++;
      return state.status;
    },
    statusVersion: () => state.version,
    retryAfterSeconds: () => 2.1,
    admit: (weight) => {
      asked.weights.push(weight);
      return { admitted: true, retryAfterSeconds: 0, reason: 'calm – below 85 %' };
    },
    wait: () => () => {},
    page: '/nonexistent/page.html',
    history: () => ({ readings: [asked.history++], transitions: [] }),
    postMortems: () => [],
    metrics: { contentType: 'text/plain; version=0.0.4', render: async () => `up ${asked.metrics++}\n` },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onError: (error) => errors.push(error),
    ...changes,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: wantedPort });
  onTestFinished(() => server.close());
  return {
    server,
    port,
    state,
    asked,
    errors,
    listeners,
    get: (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init),
    publish: (message: StreamMessage) => {
      for (const listener of listeners) listener(message);
    },
  };
}

/** Sends raw bytes and gives all that comes back until the other side closes. */
export function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = open(port, text);
    socket.on('data', (data) => {
      received += data;
    });
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

/** A connection that has sent its request; reading is up to the caller. */
export function open(port: number, text: string): Socket {
  const socket = connect(port, '127.0.0.1', () => socket.write(text));
  onTestFinished(() => {
    socket.destroy();
  });
  return socket;
}
