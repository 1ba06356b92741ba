// What the agents share: an HTTP server around `answer(session, text)`. GET /healthz is the agent's own health.
// Arguments of every agent: its port, the address of the model and of the sites, and options as JSON:
//   keep        `whole` or `answers`: what a conversation keeps of its tool outputs (default: the agent's own way)
//   graceful    whether SIGTERM is handled (default: the agent's own way)
//   server      `plain`, `managed` by its own RSS, or `fastify` with under-pressure (default: plain)
//   limitBytes  the limit that the last two know of
import { createServer } from 'node:http';

export const [port, world] = process.argv.slice(2);
export const options = JSON.parse(process.argv[4] ?? '{}');

/** Text of a site; fails when it does not answer with 200. */
export async function fetchPage(path) {
  const answer = await fetch(`${world}${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

/**
 * Serves on the port.
 * @param graceful the agent's own way to end: as a server in Kubernetes should, without new requests, with those in flight
 */
export async function serve(answer, graceful) {
  const handle = async (request, response) => {
    if (request.url === '/healthz') return response.end('ok');
    try {
      let body = '';
      for await (const piece of request) body += piece;
      const { session, text } = JSON.parse(body);
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ text: await answer(session, text) }));
    } catch (error) {
      console.error(error);
      response.writeHead(500).end();
    }
  };
  const server = await listening(handle);
  process.stdout.write(`listening on http://127.0.0.1:${port} pid ${process.pid}\n`);
  if (options.graceful ?? graceful) process.once('SIGTERM', () => server.close(() => process.exit(0)));
}

async function listening(handle) {
  if (options.server === 'fastify')
    return (await import('./goodput-fastify.mjs')).listen(handle, Number(port), options.limitBytes);
  const server = createServer(
    options.server === 'managed'
      ? (await import('./goodput-rss-manager.mjs')).managed(handle, options.limitBytes)
      : handle,
  );
  await new Promise((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
  return server;
}
