import { request } from 'node:http';
import { nowMs } from '../support/probe.ts';

const PROBE_EVERY_MS = 1000;
const PROBE_TIMEOUT_MS = 1000;
/** A user's patience: later answers count as broken. */
const REQUEST_TIMEOUT_MS = 15_000;
const UNAVAILABLE = 503;

/** What became of one request. `refused`: no replica was ready, so the balancer answered by itself, or the replica said 503. */
export interface Outcome {
  result: 'served' | 'refused' | 'broken';
  session: string;
  /** Which replica was asked, from 0. */
  replica: number | undefined;
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

/** One replica; all its addresses have to answer with 200, as every container's probe in a pod. */
export interface Target {
  agentPort: number;
  probeUrls: readonly string[];
}

/** A Service: a readiness probe each second with a time-out of one second, sticky sessions, no retries, no queue. */
export interface Balancer {
  allReady(): boolean;
  /** Of each replica. */
  readonly probes: readonly (readonly ProbeAnswer[])[];
  offer(session: string, text: string): Promise<Outcome>;
  stop(): void;
}

export function startBalancer(targets: readonly Target[]): Balancer {
  const probes: ProbeAnswer[][] = targets.map(() => []);
  const ready = targets.map(() => false);
  const places = new Map<string, number>();
  const look = async ({ probeUrls }: Target, i: number) => {
    const askedMs = nowMs();
    const answers = await Promise.all(probeUrls.map((url) => ask(url, PROBE_TIMEOUT_MS)));
    ready[i] = answers.every(({ status }) => status === 200);
    const [guard] = answers;
    probes[i]?.push({
      askedMs,
      answeredMs: nowMs(),
      ready: ready[i],
      guardStatus: guard?.status,
      guardBody: guard?.body ?? '',
    });
  };
  const lookAtAll = () => targets.forEach((target, i) => void look(target, i));
  const timer = setInterval(lookAtAll, PROBE_EVERY_MS);
  lookAtAll();

  /** Where the session is, as long as that is ready; else the ready replica with the fewest sessions. */
  const placeOf = (session: string): number | undefined => {
    const place = places.get(session);
    if (place !== undefined && ready[place]) return place;
    const sessions = targets.map(() => 0);
    for (const each of places.values()) sessions[each] = (sessions[each] ?? 0) + 1;
    const [found] = targets
      .flatMap((_, i) => (ready[i] ? [i] : []))
      .toSorted((a, b) => (sessions[a] ?? 0) - (sessions[b] ?? 0));
    if (found !== undefined) places.set(session, found);
    return found;
  };

  return {
    allReady: () => ready.every(Boolean),
    probes,
    async offer(session, text) {
      const atMs = nowMs();
      const replica = placeOf(session);
      const target = replica === undefined ? undefined : targets[replica];
      if (!target) return { result: 'refused', session, replica, atMs, endedMs: atMs };
      const body = JSON.stringify({ session, text });
      const { status } = await ask(`http://127.0.0.1:${target.agentPort}/chat`, REQUEST_TIMEOUT_MS, body);
      const result = status === 200 ? 'served' : status === UNAVAILABLE ? 'refused' : 'broken';
      return { result, session, replica, atMs, endedMs: nowMs() };
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
