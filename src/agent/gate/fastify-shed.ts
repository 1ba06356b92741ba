import { OVERLOADED } from '../hook/arrival.ts';
import type { Pressure } from '../pressure.ts';
import { gateOf } from './pressure-gate.ts';
import { type RawRequest, type RawResponse, type ShedOptions, shed, told } from './shed.ts';

export interface FastifyRequest {
  readonly raw: RawRequest;
}

interface FastifyReply {
  readonly raw: RawResponse;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
}

/** A Fastify instance, as far as the plugin calls it. */
export interface FastifyInstance {
  addHook(name: never, hook: never): unknown;
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;

/**
 * Plugin for `register`, for this instance and all beneath: before its body is read, a request waits until memory has room for
 * it; where too many wait or it has waited for too long, the answer is 503 with `Retry-After`.
 */
export function fastifyShed<Request extends FastifyRequest = FastifyRequest>(
  pressure: Pressure,
  options: ShedOptions<Request> = {},
): (instance: FastifyInstance, options: unknown, done: () => void) => void {
  const gate = gateOf(pressure);
  const enter: Hook = (request, reply, done) =>
    shed(gate, options, {
      ...told(request.raw),
      ...{ request: request.raw, response: reply.raw },
      weight: () => options.weight?.(request as Request) ?? 1,
      pass: () => done(),
      refuse(seconds) {
        reply.code(503);
        reply.header('Retry-After', `${seconds}`);
        reply.header('Content-Type', 'application/json');
        reply.send(OVERLOADED);
      },
    });
  // a body is read by listeners of the connection, in another asynchronous context than the request's
  const resume: Hook = ({ raw }, _reply, done) => {
    if (!gate.continue(raw, done)) done();
  };
  const plugin = (instance: FastifyInstance, _options: unknown, done: () => void) => {
    const addHook = instance.addHook.bind(instance) as (name: string, hook: Hook) => unknown;
    addHook('onRequest', enter);
    addHook('preValidation', resume);
    done();
  };
  // as fastify-plugin marks one whose hooks are those of the instance that registers it
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true });
}
