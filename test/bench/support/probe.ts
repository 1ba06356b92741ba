import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds of the clock that all processes and threads share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export interface Probe {
  /** When the first 503 was here, in milliseconds of {@link nowMs}. */
  first503Ms: number | undefined;
  /** Time from asking to the answer, in milliseconds. */
  latencies: number[];
  stop(): void;
}

/**
 * Asks `/readyz` over one kept connection: the next question `everyMs` after the answer. A bare socket and no HTTP client, as
 * the client must not take the processor from what is measured.
 */
export function probe(port: number, everyMs: number): Probe {
  const question = Buffer.from('GET /readyz HTTP/1.1\r\nHost: bench\r\n\r\n');
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let askedMs = 0;
  const ask = () => {
    askedMs = nowMs();
    socket.write(question);
  };
  const result: Probe = { first503Ms: undefined, latencies: [], stop: () => socket.destroy() };
  let pending = '';
  socket.once('connect', ask);
  socket.on('error', () => {}); // the server was ended: so is the measurement
  socket.on('data', (data) => {
    const hereMs = nowMs();
    pending += data.toString('latin1');
    const body = pending.indexOf('\r\n\r\n') + 4;
    const length = Number(/content-length: (\d+)/i.exec(pending)?.[1] ?? 0);
    if (body < 4 || pending.length < body + length) return;
    if (pending.startsWith('HTTP/1.1 503')) result.first503Ms ??= hereMs;
    result.latencies.push(hereMs - askedMs);
    pending = '';
    if (!socket.destroyed) setTimeout(ask, everyMs);
  });
  return result;
}

/** One request on a connection of its own: the body, or `undefined` when nobody answers with 200 in time. */
export function get(port: number, path: string, timeoutMs = 10_000): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asking = request({ port, path, host: '127.0.0.1', agent: false, timeout: timeoutMs }, (answer) => {
      let body = '';
      answer.on('data', (data) => {
        body += data;
      });
      answer.on('close', () => resolve(answer.statusCode === 200 && answer.complete ? body : undefined));
    });
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(undefined)); // not listening yet, or too slow: both are "no answer" here
    asking.end();
  });
}

/** Waits for the first 200 of `/readyz`, asking every 2 ms. */
export async function untilReady(port: number, withinMs = 20_000): Promise<boolean> {
  for (const end = nowMs() + withinMs; nowMs() < end; await sleep(2))
    if (await get(port, '/readyz', Math.max(1, end - nowMs()))) return true;
  return false;
}
