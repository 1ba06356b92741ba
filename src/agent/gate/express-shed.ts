import { OVERLOADED } from '../hook/arrival.ts';
import type { Pressure } from '../pressure.ts';
import { gateOf } from './pressure-gate.ts';
import { type RawRequest, type RawResponse, type ShedOptions, shed, told } from './shed.ts';

/** A request of Express, Connect, or `node:http`. */
export interface ExpressRequest extends RawRequest {
  /** With the path at which the middleware is mounted. */
  readonly originalUrl?: string | undefined;
}

export interface ExpressResponse extends RawResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
}

/**
 * Middleware for Express, and all that takes its: a request waits until memory has room for it; where too many wait or it has
 * waited for too long, the answer is 503 with `Retry-After`.
 */
export function expressShed<Request extends ExpressRequest = ExpressRequest>(
  pressure: Pressure,
  options: ShedOptions<Request> = {},
): (request: Request, response: ExpressResponse, next: () => void) => void {
  const gate = gateOf(pressure);
  return (request, response, next) =>
    shed(gate, options, {
      ...told(request),
      ...(request.originalUrl === undefined ? {} : { path: request.originalUrl }),
      ...{ request, response },
      weight: () => options.weight?.(request) ?? 1,
      pass: () => next(),
      refuse(seconds) {
        response.writeHead(503, { 'Retry-After': `${seconds}`, 'Content-Type': 'application/json' });
        response.end(OVERLOADED);
      },
    });
}
