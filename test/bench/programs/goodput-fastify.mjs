// The same handler behind Fastify and @fastify/under-pressure, with all four thresholds of its README: those of time as they stand
// there, those of bytes as shares of the limit. Its status route is the readiness probe.
import underPressure from '@fastify/under-pressure';
import fastify from 'fastify';

const SHED_RATIO = 0.85;
const HEAP_RATIO = 0.75;
const MOST_DELAY_MS = 1000;
const MOST_UTILIZATION = 0.98;

export async function listen(handle, port, limitBytes) {
  const app = fastify();
  await app.register(underPressure, {
    maxEventLoopDelay: MOST_DELAY_MS,
    maxEventLoopUtilization: MOST_UTILIZATION,
    maxRssBytes: SHED_RATIO * limitBytes,
    maxHeapUsedBytes: HEAP_RATIO * limitBytes,
    exposeStatusRoute: '/healthz',
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null)); // the handler reads the body by itself
  app.post('/chat', (request, reply) => {
    reply.hijack();
    return handle(request.raw, reply.raw);
  });
  await app.listen({ port, host: '127.0.0.1' });
  return app.server;
}
