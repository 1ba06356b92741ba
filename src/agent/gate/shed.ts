import { isProbe, kindOf } from '../hook/exempt.ts';
import { isGated } from './gated-requests.ts';
import type { PressureGate } from './pressure-gate.ts';

/** What middleware goes by. Everything has a default. */
export interface ShedOptions<Request> {
  /** How many ordinary requests this one counts for, above 0 and at most 1000. Default 1. */
  weight?: ((request: Request) => number) | undefined;
  /** Paths that are never held back when asked by `GET`, beside the customary ones of probes and metrics. */
  exempt?: readonly string[] | undefined;
  /** How long a request waits at most, in milliseconds. Default 10,000. */
  maxWaitMs?: number | undefined;
}

/** As requests of `http` and `http2` are. */
export interface RawRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
}

/** As their answers are. */
export interface RawResponse {
  readonly destroyed?: boolean;
  readonly writableEnded?: boolean;
  once(event: 'close', listener: () => void): unknown;
}

/** One request as the framework gives it. */
export interface Shedding {
  /** The one object that stands for it in all middleware. */
  request: object;
  /** `undefined` outside of a server: then whoever passes it on says when it has ended. */
  response: RawResponse | undefined;
  method: string;
  /** As the client sent it. */
  path: string;
  header(name: 'user-agent' | 'content-length'): string | string[] | undefined;
  weight(): number;
  pass(leave: () => void): void;
  refuse(retryAfterSeconds: number): void;
}

/** Socket, request and answer of one that waits. */
const WAITING_BYTES = 32 * 1024;
/** Of its body so much is read ahead at most. */
const BODY_BYTES = 64 * 1024;

/** Passes a request on once memory has room for it, or refuses it. One that has come through here or the hook's gate passes. */
export function shed(
  gate: PressureGate,
  { exempt = [], maxWaitMs }: Pick<ShedOptions<never>, 'exempt' | 'maxWaitMs'>,
  { request, response, method, path, header, weight, pass, refuse }: Shedding,
): void {
  const free = () => pass(() => {});
  if (gate.continue(request, free)) return;
  const agent = header('user-agent');
  const probe = { method, path, agent: typeof agent === 'string' ? agent : undefined };
  // an answer that is over already never closes again: its place would stay taken
  const isOver = response?.destroyed || response?.writableEnded;
  if (isOver || isGated(request) || isProbe(probe, exempt)) {
    free();
    return;
  }
  const bodyBytes = Math.max(0, Number(header('content-length')) || 0);
  const leave = gate.enter({
    ...{ kind: kindOf(method, path), weight: quietly(weight), maxWaitMs, request },
    heldBytes: WAITING_BYTES + Math.min(BODY_BYTES, bodyBytes),
    begin: pass,
    refuse,
  });
  response?.once('close', leave);
}

/** What `http` and `http2` tell of a request. */
export function told({ method = '', url = '', headers }: RawRequest) {
  return {
    method,
    path: url,
    header: (name: 'user-agent' | 'content-length') => headers[name],
  };
}

/** What the program's own rule gives; nothing where it throws. */
function quietly(weight: () => number): number | undefined {
  try {
    return weight();
  } catch {
    return undefined;
  }
}
