import { request } from 'node:http';
import { nowMs } from './probe.ts';

const PROBE_EVERY_MS = 1000;
const PROBE_TIMEOUT_MS = 1000;
/** A user's patience: later answers count as broken. */
const REQUEST_TIMEOUT_MS = 15_000;

/** What became of one request. `refused`: the replica was un-ready, so the balancer answered by itself. */
export interface Outcome {
  result: 'served' | 'refused' | 'broken';
  atMs: number;
  endedMs: number;
}

/** One answer to the readiness probe; `status` is undefined where nobody answered in time. */
export interface ProbeAnswer {
  askedMs: number;
  answeredMs: number;
  ready: boolean;
  /** Status and body of the guard, the first of the addresses. */
  guardStatus: number | undefined;
  guardBody: string;
}

/** One replica behind a Service: a readiness probe each second with a time-out of one second, no retries, no queue. */
export interface Balancer {
  readonly ready: boolean;
  readonly probes: readonly ProbeAnswer[];
  offer(session: string, text: string): Promise<Outcome>;
  stop(): void;
}

/** @param probeUrls all have to answer with 200, as every container's probe in a pod */
export function startBalancer(agentPort: number, probeUrls: readonly string[]): Balancer {
  const probes: ProbeAnswer[] = [];
  let ready = false;
  const look = async () => {
    const askedMs = nowMs();
    const answers = await Promise.all(probeUrls.map((url) => ask(url, PROBE_TIMEOUT_MS)));
    ready = answers.every(({ status }) => status === 200);
    const [guard] = answers;
    probes.push({
      askedMs,
      answeredMs: nowMs(),
      ready,
      guardStatus: guard?.status,
      guardBody: guard?.body ?? '',
    });
  };
  const timer = setInterval(look, PROBE_EVERY_MS);
  void look();
  return {
    get ready() {
      return ready;
    },
    probes,
    async offer(session, text) {
      const atMs = nowMs();
      if (!ready) return { result: 'refused', atMs, endedMs: atMs };
      const body = JSON.stringify({ session, text });
      const { status } = await ask(`http://127.0.0.1:${agentPort}/chat`, REQUEST_TIMEOUT_MS, body);
      return { result: status === 200 ? 'served' : 'broken', atMs, endedMs: nowMs() };
    },
    stop: () => clearInterval(timer),
  };
}

/** A connection of its own for each request: what is open is in flight. No status: refused, broken off, or too late. */
function ask(
  url: string,
  timeoutMs: number,
  body?: string,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const asking = request(url, { method: body ? 'POST' : 'GET', agent: false, signal }, (answer) => {
      let text = '';
      answer.on('data', (data) => {
        text += data;
      });
      answer.on('error', () => {}); // told by `close`
      answer.on('close', () =>
        resolve({ status: answer.complete ? answer.statusCode : undefined, body: text }),
      );
    });
    asking.on('error', () => resolve({ status: undefined, body: '' }));
    asking.end(body);
  });
}
