// What the agents share: a plain HTTP server around `answer(session, text)`. GET /healthz is the agent's own health.
// Arguments of every agent: its port, the address of the model and of the sites.
import { createServer } from 'node:http';

export const [port, world] = process.argv.slice(2);

/** Text of a site; fails when it does not answer with 200. */
export async function fetchPage(path) {
  const answer = await fetch(`${world}${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

export function serve(answer) {
  const server = createServer(async (request, response) => {
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
  });
  server.listen(Number(port), '127.0.0.1', () => {
    process.stdout.write(`listening on http://127.0.0.1:${port} pid ${process.pid}\n`);
  });
  return server;
}

/** Ends as a server in Kubernetes should: no new work, what is in flight may end. */
export function endInOrder(server) {
  process.once('SIGTERM', () => server.close(() => process.exit(0)));
}
