import { expect, it, onTestFinished } from 'vitest';
import { until } from '../support/cli.ts';
import { HOLDS, lines, raw, startGated } from '../support/gated.ts';

const MOST = 10_000;
/** Below the critical ratio, above which who waits is refused sooner. */
const FULL = 0.915;
/** Requests on one connection, one behind the other. */
const PIPELINED = 5;
/** No more connections at once than the backlog of a socket holds. */
const AT_ONCE = 250;

it('the gate refuses who comes after 10,000 that wait for memory, forgets those that have gone, and serves those of each connection in order', {
  timeout: 60_000,
}, async () => {
  const { port, memory, becomes, hook } = await startGated(HOLDS);
  let ratio = FULL;
  const told = setInterval(() => memory(ratio), 200); // of a guardian that falls silent the gate opens
  onTestFinished(() => clearInterval(told));
  // what is fetched and takes long is taken for a stream, which keeps nobody waiting
  raw(port, 'POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  await becomes(1, 0);
  const clients: ReturnType<typeof raw>[] = [];
  while (clients.length < MOST / PIPELINED) {
    const paths = Array(PIPELINED).fill('/a');
    for (let i = 0; i < AT_ONCE; i++) clients.push(raw(port, lines(...paths)));
    await becomes(1, PIPELINED * clients.length);
  }
  const oneMore = raw(port, lines('/a'));
  await until(() => oneMore.text().includes('\r\n\r\n'), 'one more is answered');
  expect(oneMore.text()).toMatch(/^HTTP\/1.1 503 .*Retry-After: \d+/s);

  for (const client of clients.filter((_, i) => i % 2 === 0)) client.destroy();
  await becomes(1, MOST / 2);
  const stay = clients.filter(({ destroyed }) => !destroyed);
  const answersTo = (client: (typeof stay)[number]) => client.text().split('HTTP/1.1 ').slice(1);
  ratio = 0.1;
  await until(() => stay.every((client) => answersTo(client).length === PIPELINED), 'all are answered');
  for (const client of stay) {
    const answers = answersTo(client);
    expect(answers.map((answer) => answer.slice(0, 3))).toEqual(Array(PIPELINED).fill('200'));
    const served = answers.map((answer) => Number(/(\d+)\s*$/.exec(answer)?.[1]));
    expect(served).toEqual(served.toSorted((a, b) => a - b));
  }
  expect((await hook.ask(10_000)).waiting).toBe(0);
});
