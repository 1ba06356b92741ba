import { setMaxListeners } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../support/cli.ts';
import { ask, HOLDS, lines, raw, startGated } from '../../support/gated.ts';
import { REGISTER } from '../../support/hooked.ts';

it('answers pipelined requests in their order', async () => {
  const { port, becomes } = await startGated(HOLDS);
  const socket = raw(port, lines('/hold', '/a', '/b'));
  await becomes(1, 2);
  await ask(port, '/healthz');
  await until(() => socket.text().split('HTTP/1.1 200').length === 4, 'all are answered');
  expect(socket.text().match(/\/\w+ 0 \d/g)).toEqual(['/hold 0 1', '/a 0 2', '/b 0 3']);
  await becomes(0, 0);
});

it('forgets pipelined requests whose client has gone, in flight and waiting', async () => {
  const { port, memory, becomes } = await startGated(HOLDS);
  memory(0.2);
  const socket = raw(port, lines('/hold', '/hold', '/hold', '/hold'));
  await becomes(4, 0);
  memory(0.95);
  const other = raw(port, lines('/a', '/a'));
  await becomes(4, 2);
  socket.destroy();
  other.destroy();
  await becomes(0, 0);
});

it('forgets clients that vanish while they wait', async () => {
  const { port, becomes } = await startGated(HOLDS);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const aborted = new AbortController();
  setMaxListeners(0, aborted.signal);
  const gone = Array.from({ length: 20 }, () =>
    ask(port, '/a', { signal: aborted.signal }).catch(() => 'gone'),
  );
  const stays = ask(port, '/b');
  await becomes(1, 21);
  aborted.abort();
  expect(new Set(await Promise.all(gone))).toEqual(new Set(['gone']));
  await becomes(1, 1);
  await ask(port, '/healthz');
  expect((await first).text).toBe('/hold 0 1');
  expect((await stays).text).toBe('/b 0 2');
});

it('passes on what is uploaded while it waits, all of it', async () => {
  const { port, becomes } = await startGated(HOLDS);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const body = 'x'.repeat(3_000_000);
  const upload = ask(port, '/upload', { body });
  const slow = raw(
    port,
    'POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n',
  );
  await becomes(1, 2);
  await ask(port, '/healthz');
  expect((await first).text).toBe('/hold 0 1');
  expect((await upload).text).toBe('/upload 3000000 2');
  await until(() => slow.text().startsWith('HTTP/1.1 100'), 'the upload may go on'); // Node itself says so
  slow.write('abc');
  setTimeout(() => slow.write('def'), 100);
  await until(() => slow.text().includes('/slow 6 3'), 'the upload is answered');
});

it('says that it serves once anybody has asked, a probe alone', async () => {
  const { port, hook } = await startGated(HOLDS);
  await ask(port, '/healthz');
  await until(() => hook.state?.servers === 1, 'the guardian knows');
  expect(hook.state).toMatchObject({ inFlight: 0, waiting: 0 });
});

it('says how many requests begin in a second, after a rest, and that none does any more', async () => {
  const { port, hook, memory } = await startGated(HOLDS);
  memory(0.2);
  await ask(port, '/a');
  await until(() => hook.state?.admittedPerSecond === 0, 'it rests');
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await Promise.all(Array.from({ length: 30 }, () => ask(port, '/a')));
  await until(() => (hook.state?.admittedPerSecond ?? 0) > 20, 'they are counted');
  await until(() => hook.state?.admittedPerSecond === 0, 'none begins');
});

it('never holds back probes, and paths that are exempt', async () => {
  const { port, becomes } = await startGated(HOLDS, ['/own/health']);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  expect((await ask(port, '/own/health?verbose')).status).toBe(200);
  expect((await ask(port, '/metrics')).status).toBe(200);
  for (const agent of ['kube-probe/1.36', 'kube-lifecycle/1.36'])
    expect((await ask(port, '/', { headers: { 'user-agent': agent } })).status, agent).toBe(200);
  const posted = ask(port, '/own/health', { body: 'x' });
  await becomes(1, 1);
  await ask(port, '/healthz');
  await Promise.all([first, posted]);
});

it('keeps an answer in flight until its stream ends', async () => {
  const { port, becomes, memory } = await startGated(`
    const server = require('node:http').createServer((request, response) => {
      if (request.url !== '/stream') return response.end('done');
      let left = 10;
      const timer = setInterval(() => { response.write('x'); if (--left === 0) { clearInterval(timer); response.end(); } }, 100);
    }).listen(0, () => console.log('port ' + server.address().port));`);
  const stream = ask(port, '/stream');
  await becomes(1, 0);
  const second = ask(port, '/next');
  await becomes(1, 1);
  expect((await stream).text).toBe('xxxxxxxxxx');
  expect((await second).text).toBe('done');
  memory(0.2);
});

it('lets pass what the agent asks of itself', async () => {
  const { port } = await startGated(`
    const { createServer, get } = require('node:http');
    const server = createServer((request, response) => {
      if (request.url === '/inner') return response.end('inner');
      get({ port: server.address().port, path: '/inner', agent: false }, (answer) => answer.pipe(response));
    }).listen(0, () => console.log('port ' + server.address().port));`);
  expect(await ask(port, '/outer')).toEqual({ status: 200, text: 'inner' });
});

it('gives the library level and advice, without a connection of its own', async () => {
  const { port, memory, output } = await startGated(`
    const pressure = require(${JSON.stringify(join(dirname(REGISTER), 'index.cjs'))}).connect();
    pressure.on('level', (level, before) => console.log('level ' + level + ' after ' + before));
    pressure.on('advice', ({ action }) => console.log('advice ' + action));
    const server = require('node:http').createServer((_, response) => response.end([pressure.level, pressure.ratio, pressure.source].join()))
      .listen(0, () => console.log('port ' + server.address().port));`);
  expect((await ask(port, '/')).text).toBe('critical,0.97,sidecar');
  memory(0.2);
  await until(() => output().includes('level ok after critical'), 'the level is another');
  expect(output()).toContain('advice save');
  expect((await ask(port, '/')).text).toBe('ok,0.2,sidecar');
});

it('keeps the asynchronous context, and what the agent has wrapped around its server', async () => {
  const { port, becomes } = await startGated(`
    const { AsyncLocalStorage } = require('node:async_hooks');
    const storage = new AsyncLocalStorage();
    const held = [];
    const { createServer, Server } = require('node:http');
    const emit = Server.prototype.emit;
    let wrapped = 0;
    Server.prototype.emit = function (...args) {
      if (args[0] !== 'request') return emit.apply(this, args);
      wrapped++;
      return storage.run(args[1].url, () => emit.apply(this, args));
    };
    const server = createServer(async (request, response) => {
      if (request.url === '/healthz') { held.shift()?.(); return response.end(); }
      if (request.url === '/hold') await new Promise((resolve) => held.push(resolve));
      response.end(storage.getStore() + ' ' + wrapped);
    }).listen(0, () => console.log('port ' + server.address().port));`);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const second = ask(port, '/second');
  await becomes(1, 1);
  await ask(port, '/healthz');
  expect((await first).text).toMatch(/^\/hold /);
  expect((await second).text).toMatch(/^\/second /);
});

it('answers who waits when the server is closed, and lets it close then', async () => {
  const { pid, port, becomes, output } = await startGated(
    `${HOLDS} process.on('SIGUSR2', () => { server.close(() => console.log('closed after ' + served)); setTimeout(() => held.shift()(), 100); });`,
  );
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const others = Array.from({ length: 3 }, () => ask(port, '/a'));
  await becomes(1, 3);
  process.kill(pid, 'SIGUSR2');
  expect((await first).status).toBe(200);
  for (const other of others) expect((await other).status).toBe(200);
  await until(() => output().includes('closed'), 'the server closes');
  expect(output()).toContain('closed after 4');
});

it('leaves an error that the agent throws to the agent, also after a wait', async () => {
  const { port, becomes, output } = await startGated(`
    process.on('uncaughtException', ({ message }) => console.log('caught ' + message));
    const held = [];
    const server = require('node:http').createServer((request, response) => {
      if (request.url === '/healthz') { held.shift()?.(); return response.end(); }
      if (request.url === '/hold') return void held.push(() => response.end());
      if (request.url === '/throws') { response.end(); throw new Error('of the agent'); }
      response.end('well');
    }).listen(0, () => console.log('port ' + server.address().port));`);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const throws = ask(port, '/throws');
  const after = ask(port, '/after');
  await becomes(1, 2);
  await ask(port, '/healthz');
  await Promise.all([first, throws]);
  expect((await after).text).toBe('well');
  await until(() => output().includes('caught of the agent'), 'the error is caught');
});

it('holds back streams of HTTP/2, and forgets those that are reset', async () => {
  const { port, becomes } = await startGated(`
    const held = [];
    const server = require('node:http2').createServer((request, response) => {
      if (request.url === '/healthz') { held.shift()?.(); return response.end(); }
      if (request.url === '/hold') return void held.push(() => response.end('held'));
      response.end('well');
    }).listen(0, () => console.log('port ' + server.address().port));`);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const open = (path: string) => {
    const stream = session.request({ ':path': path });
    const text = new Promise<string>((resolve) => {
      let all = '';
      stream.setEncoding('utf8').on('data', (chunk) => (all += chunk));
      stream.on('error', () => {}).on('close', () => resolve(all));
    });
    return { stream, text };
  };
  const first = open('/hold');
  await becomes(1, 0);
  const others = Array.from({ length: 4 }, () => open('/a'));
  const reset = open('/reset');
  await becomes(1, 5);
  reset.stream.close(8);
  await becomes(1, 4);
  open('/healthz');
  expect(await first.text).toBe('held');
  for (const { text } of others) expect(await text).toBe('well');
  await becomes(0, 0);
});

it('opens once the guardian is gone and nothing is heard of memory any more', {
  timeout: 40_000,
}, async () => {
  const { port, hook, becomes } = await startGated(HOLDS);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const waits = ask(port, '/a');
  await becomes(1, 1);
  (hook as unknown as { close(): void }).close();
  expect((await waits).text).toBe('/a 0 1');
  await ask(port, '/healthz');
  expect((await first).status).toBe(200);
});

it('holds back a spike on an agent at rest, of which its guardian has had nothing to say', async () => {
  const gated = await startGated(HOLDS);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const answers = Array.from({ length: 4 }, () => ask(gated.port, '/hold', { body: 'x' }));
  // a question would be a word, too
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await gated.becomes(1, 3);
  gated.memory(0.3);
  await gated.becomes(4, 0);
  for (let i = 0; i < 4; i++) await ask(gated.port, '/healthz');
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

it('stays closed where the agent itself was blocked for longer than a guardian is silent', async () => {
  const gated = await startGated(
    `${HOLDS}process.on('SIGUSR2', () => { for (const end = Date.now() + 3000; Date.now() < end; ); });`,
  );
  const said = setInterval(() => gated.memory(0.97), 500);
  onTestFinished(() => clearInterval(said));
  const held = ask(gated.port, '/hold', { body: 'x' });
  await gated.becomes(1, 0);
  const waits = ask(gated.port, '/a');
  await gated.becomes(1, 1);
  // the gate has seen by then that one waits
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.kill(gated.pid, 'SIGUSR2');
  expect((await waits).status).toBe(503);
  await ask(gated.port, '/healthz');
  expect((await held).status).toBe(200);
});
