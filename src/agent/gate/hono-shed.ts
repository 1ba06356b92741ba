import { OVERLOADED } from '../hook/arrival.ts';
import type { Pressure } from '../pressure.ts';
import { gateOf } from './pressure-gate.ts';
import { type RawResponse, type ShedOptions, shed } from './shed.ts';

/** The context of a request in Hono; on Node its `env` has what `@hono/node-server` was given. */
export interface HonoContext<Answer> {
  readonly req: {
    readonly raw: object;
    readonly method: string;
    readonly path: string;
    header(name: string): string | undefined;
  };
  readonly env: unknown;
  body(text: string, status: 503, headers: Record<string, string>): Answer;
}

/**
 * Middleware for Hono: a request waits until memory has room for it; where too many wait or it has waited for too long, the
 * answer is 503 with `Retry-After`.
 */
export function honoShed<Context extends HonoContext<unknown> = HonoContext<unknown>>(
  pressure: Pressure,
  options: ShedOptions<Context> = {},
): <Answer>(context: HonoContext<Answer>, next: () => Promise<void>) => Promise<Answer | undefined> {
  const gate = gateOf(pressure);
  return <Answer>(context: HonoContext<Answer>, next: () => Promise<void>) =>
    new Promise<Answer | undefined>((resolve, reject) => {
      const { req } = context;
      const { incoming, outgoing } = (context.env ?? {}) as { incoming?: object; outgoing?: RawResponse };
      shed(gate, options, {
        ...{ request: incoming ?? req.raw, response: outgoing, method: req.method, path: req.path },
        header: (name) => req.header(name),
        weight: () => options.weight?.(context as HonoContext<unknown> as Context) ?? 1,
        pass(leave) {
          const passed = next().then(() => undefined);
          // outside of a server nobody says when the answer has been read
          (outgoing ? passed : passed.finally(leave)).then(resolve, reject);
        },
        refuse(seconds) {
          const headers = { 'Retry-After': `${seconds}`, 'Content-Type': 'application/json' };
          resolve(context.body(OVERLOADED, 503, headers));
        },
      });
    });
}
