import WebSocket from 'ws';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import type { ConnectInspector, InspectorSession } from '../core/ports/inspector.ts';

const ANSWER_MS = 2000;
const CLOSE_MS = 500;
/**
 * A profile of a big heap is 4 to 580 KB, a chunk of a snapshot 100. To parse 8 MiB takes some 50 MiB for a moment, which a
 * sidecar of 128 MiB has; what is bigger ends the connection.
 */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

interface Waiting {
  resolve(result: never): void;
  reject(error: SpillwayError): void;
  timer: NodeJS.Timeout;
}
interface Message {
  id?: number;
  method?: string;
  params?: object;
  result?: object;
  error?: { message: string };
}

/** Connects to an inspector by WebSocket. */
export const connectInspector: ConnectInspector = (url, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      handshakeTimeout: timeoutMs,
      maxPayload: MAX_MESSAGE_BYTES,
    });
    socket.once('open', () => {
      socket.off('error', fail);
      resolve(session(socket));
    });
    const fail = (cause: Error) => {
      const late = /timed out/.test(cause.message);
      reject(
        new SpillwayError(late ? 'timeout' : 'refused', `inspector at ${url}: ${messageOf(cause)}`, {
          cause,
        }),
      );
    };
    socket.once('error', fail);
  });

function session(socket: WebSocket): InspectorSession {
  const waiting = new Map<number, Waiting>();
  const listeners = new Map<string, Set<(params: never) => void>>();
  let lastId = 0;

  const lost = (why: string) => {
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(new SpillwayError('refused', why, { retryable: true }));
    }
    waiting.clear();
  };
  socket.on('error', (error) => lost(`the inspector connection failed: ${messageOf(error)}`));
  socket.on('close', (code) => lost(`the inspector closed the connection (${code})`));
  socket.on('message', (data) => {
    let message: Message;
    try {
      message = JSON.parse(String(data)) as Message;
    } catch {
      return; // no inspector sends this; what was asked runs into its time limit
    }
    if (message.id === undefined) {
      for (const listener of listeners.get(message.method ?? '') ?? [])
        listener((message.params ?? {}) as never);
      return;
    }
    const asked = waiting.get(message.id);
    if (!asked) return; // answered too late
    waiting.delete(message.id);
    clearTimeout(asked.timer);
    if (message.error)
      asked.reject(new SpillwayError('refused', `the inspector answered: ${message.error.message}`));
    else asked.resolve((message.result ?? {}) as never);
  });

  return {
    get open() {
      return socket.readyState === WebSocket.OPEN;
    },
    send: (method, params = {}, timeoutMs = ANSWER_MS) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new SpillwayError('timeout', `${method} timed out after ${timeoutMs} ms`));
        }, timeoutMs);
        waiting.set(id, { resolve, reject, timer });
        socket.send(JSON.stringify({ id, method, params }), (error) => {
          if (!error || !waiting.delete(id)) return;
          clearTimeout(timer);
          reject(new SpillwayError('refused', `${method}: ${messageOf(error)}`, { retryable: true }));
        });
      }),
    on(event, listener) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set.add(listener));
      return () => set.delete(listener);
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () =>
      new Promise((resolve) => {
        if (socket.readyState === WebSocket.CLOSED) return resolve();
        const timer = setTimeout(() => socket.terminate(), CLOSE_MS);
        socket.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
        socket.close();
      }),
  };
}
