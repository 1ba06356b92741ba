// Asks URL RATE times a second, on a connection of its own each time, and keeps the books, from the first answer on.
//   GET /report?from=MS&to=MS   what became of the requests sent in that time; a 503 with Retry-After is `shed`, all else but 200 `failed`
// Where nobody takes the connection it tries again for a second, as balancers do: a busy node is late in routing to a new pod.
import { Agent, createServer, get } from 'node:http';

const [url, rate] = process.argv.slice(2);
const books = []; // [sent at, outcome, who or why, took ms]
const LIMIT_MS = 10_000;

const UNREACHED = ['ECONNREFUSED', 'EHOSTUNREACH'];
let reconnects = 0;

function send(at = Date.now()) {
  const book = (outcome, who) => books.push([at, outcome, who, Date.now() - at]);
  const request = get(url, { agent: new Agent({ keepAlive: false }), timeout: LIMIT_MS }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    response.on('error', (error) => book('failed', `${error.code ?? error.message} in the answer`));
    response.on('end', () => {
      const { statusCode, headers } = response;
      if (statusCode === 200) book('served', text.trim());
      else if (statusCode === 503 && Number(headers['retry-after']) > 0) book('shed', text.trim());
      else book('failed', `status ${statusCode}`);
    });
  });
  request.on('timeout', () => request.destroy(new Error('time-out')));
  request.on('error', (error) => {
    if (!UNREACHED.includes(error.code) || Date.now() - at > 1000)
      return book('failed', error.code ?? error.message);
    reconnects++;
    setTimeout(send, 200, at);
  });
}
while (!(await fetch(url).catch(() => undefined))?.ok)
  await new Promise((resolve) => setTimeout(resolve, 50));
setInterval(send, 1000 / Number(rate));

createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://load');
  const from = Number(searchParams.get('from') ?? 0);
  const to = Number(searchParams.get('to') ?? Number.MAX_SAFE_INTEGER);
  const report = {
    now: Date.now(),
    reconnects,
    served: 0,
    shed: 0,
    failed: 0,
    by: {},
    failures: [],
    slowestMs: 0,
  };
  for (const [at, outcome, who, tookMs] of books) {
    if (at < from || at > to) continue;
    report[outcome]++;
    report.slowestMs = Math.max(report.slowestMs, tookMs);
    if (outcome === 'served') report.by[who] = (report.by[who] ?? 0) + 1;
    else if (outcome === 'failed')
      report.failures.push(`${new Date(at).toISOString()} ${who} after ${tookMs} ms`);
  }
  response.end(JSON.stringify(report));
}).listen(8000);
process.on('SIGTERM', () => process.exit(0));
