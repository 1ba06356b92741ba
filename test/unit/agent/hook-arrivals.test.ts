import { connect as connectHttp2 } from 'node:http2';
import { expect, it, onTestFinished } from 'vitest';
import { makeCertificates } from '../../support/api-server.ts';
import { until } from '../../support/cli.ts';
import { ask, HOLDS, lines, raw, startGated } from '../../support/gated.ts';

const HTTP2 = `
process.on('uncaughtException', ({ message }) => console.log('caught ' + message));
const held = [];
const server = require('node:http2').createServer((request, response) => {
  if (request.url === '/healthz') { held.shift()?.(); return response.end(); }
  if (request.url === '/hold') return void held.push(() => response.end('held'));
  response.end('well');
}).listen(0, () => console.log('port ' + server.address().port));`;

function http2(port: number) {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  return (path: string, method = 'GET') => {
    const stream = session.request({ ':path': path, ':method': method }).on('error', () => {});
    return { stream, closed: new Promise((resolve) => stream.on('close', resolve).resume()) };
  };
}

it('refuses a HEAD of HTTP/2 that waits, and streams that are reset meanwhile, without an error in the agent', async () => {
  const { port, becomes, hook, output } = await startGated(HTTP2);
  const open = http2(port);
  open('/hold');
  await becomes(1, 0);
  const { stream, closed } = open('/a', 'HEAD');
  const status = new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
  const reset = open('/b', 'POST');
  reset.stream.write('x');
  await becomes(1, 2);
  reset.stream.close(0);
  hook.send({ type: 'draining', reason: 'a test', retryAfterSeconds: 3 });
  await becomes(1, 0);
  expect(await status).toBe(503);
  await Promise.all([closed, reset.closed]);
  expect(output()).not.toContain('caught');
});

it('leaves a client that resets a refused stream of HTTP/2 without effect on the agent', async () => {
  const { port, becomes, hook, output } = await startGated(HTTP2);
  const open = http2(port);
  open('/hold');
  await becomes(1, 0);
  hook.send({ type: 'draining', reason: 'a test', retryAfterSeconds: 3 });
  await hook.ask(1000);
  for (const code of [1, 2, 8, 11]) {
    const { stream, closed } = open('/a', 'POST');
    stream.write('x');
    setImmediate(() => stream.close(code));
    await closed;
  }
  await becomes(1, 0);
  expect(output()).not.toContain('caught');
});

it('never holds back a WebSocket over HTTP/2', async () => {
  const { port, becomes } = await startGated(`
    const server = require('node:http2').createServer({ settings: { enableConnectProtocol: true } }, () => {});
    server.on('connect', (request, response) => response.stream.respond({ ':status': 200 }));
    server.listen(0, () => console.log('port ' + server.address().port));`);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  session.request({ ':path': '/hold' });
  await becomes(1, 0);
  const tunnel = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/socket' });
  expect(await new Promise((resolve) => tunnel.on('response', resolve))).toMatchObject({ ':status': 200 });
  await becomes(2, 0); // it is work in flight all the same
  tunnel.close();
  await becomes(1, 0);
});

it('tells that a WebSocket is in flight until it closes', async () => {
  const { port, becomes } = await startGated(`${HOLDS}
    server.on('upgrade', (request, socket) => {
      socket.on('end', () => socket.end()).resume();
      socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n');
    });`);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const socket = raw(port, 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  await until(() => socket.text().includes(' 101 '), 'it is open');
  await becomes(2, 0);
  socket.destroy();
  await becomes(1, 0);
  await ask(port, '/healthz');
  await first;
});

it('tells that a connection of another protocol is in flight until it closes, beside a server of HTTP', async () => {
  const { port, becomes, output } = await startGated(`${HOLDS}
    const other = require('node:net').createServer((socket) => socket.on('error', () => {}).resume().write('hello'));
    other.listen(0, () => console.log('other ' + other.address().port));`);
  await until(() => /other \d+/.test(output()), 'the other one listens');
  const socket = raw(Number(/other (\d+)/.exec(output())?.[1]), '');
  await until(() => socket.text() === 'hello', 'it is open');
  expect((await ask(port, '/a')).status).toBe(200);
  await becomes(1, 0);
  socket.destroy();
  await becomes(0, 0);
});

it('adds no listeners to a connection with many pipelined requests', async () => {
  const { port, becomes, output } = await startGated(
    `process.on('warning', ({ name }) => console.log('warning ' + name)); ${HOLDS}`,
  );
  const socket = raw(port, lines('/hold', ...Array.from({ length: 20 }, () => '/a')));
  await becomes(1, 20);
  await ask(port, '/healthz');
  await until(() => socket.text().split('HTTP/1.1 200').length === 22, 'all are answered');
  expect(output()).not.toContain('warning');
});

it('admits a request once that the agent hands on to a server of its own', async () => {
  const { port, becomes, output } = await startGated(`${HOLDS}
    server.on('checkContinue', (request, response) => { response.writeContinue(); server.emit('request', request, response); });
    const second = createServer((request, response) => server.emit('request', request, response));
    second.listen(0, () => console.log('second ' + second.address().port));`);
  expect((await ask(port, '/a')).status).toBe(200);
  await until(() => /second \d+/.test(output()), 'the second one listens');
  const answer = await Promise.race([
    ask(Number(/second (\d+)/.exec(output())?.[1]), '/b'),
    new Promise((resolve) => setTimeout(resolve, 2000, 'late')),
  ]);
  expect(answer).toEqual({ status: 200, text: '/b 0 2' });
  const upload = raw(
    port,
    'POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc',
  );
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(upload.text()).toContain('/c 3 3');
  await becomes(0, 0);
});

it('lets pass a request that the agent has made up', async () => {
  const { pid, port, becomes, output } = await startGated(`${HOLDS}
    const { ServerResponse } = require('node:http');
    server.prependListener('request', ({ url }) => console.log('got ' + url));
    process.on('SIGUSR2', () => {
      const request = { method: 'GET', url: '/own', headers: {}, socket: {}, async *[Symbol.asyncIterator]() {} };
      server.emit('request', request, new ServerResponse(request));
    });`);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const second = ask(port, '/a');
  await becomes(1, 1);
  process.kill(pid, 'SIGUSR2');
  await until(() => output().includes('got /own'), 'it has come');
  await becomes(1, 1);
  await ask(port, '/healthz');
  await Promise.all([first, second]);
  expect(output().split('got /own')).toHaveLength(2);
});

it('admits everybody after an error of its own, and claims no more to know what is in flight', async () => {
  const { pid, port, hook, becomes } = await startGated(`${HOLDS}
    const { ServerResponse } = require('node:http');
    const request = { method: 'GET', url: '/own', async *[Symbol.asyncIterator]() {} };
    Object.defineProperty(request, 'socket', { get() { throw new Error('no socket'); } });
    process.on('SIGUSR2', () => server.emit('request', request, new ServerResponse({ method: 'GET' })));`);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  expect((await hook.ask(1000)).servers).toBe(1);
  const second = ask(port, '/a');
  await becomes(1, 1);
  process.kill(pid, 'SIGUSR2');
  expect((await second).status).toBe(200);
  expect((await hook.ask(1000)).servers).toBe(0);
  await ask(port, '/healthz');
  expect((await first).status).toBe(200);
});

it('serves also where the agent has replaced setImmediate', async () => {
  const { port, becomes } = await startGated(`${HOLDS} globalThis.setImmediate = () => {};`);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const second = ask(port, '/a');
  await becomes(1, 1);
  await ask(port, '/healthz');
  expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200]);
});

it("does not count a wait as idleness of the agent's connection", async () => {
  const { port, becomes, memory } = await startGated(`
    const server = require('node:http').createServer((request, response) => {
      if (request.url !== '/stream') return response.end('done');
      let left = 15;
      const timer = setInterval(() => { response.write('x'); if (--left === 0) { clearInterval(timer); response.end(); } }, 100);
    }).listen(0, () => console.log('port ' + server.address().port));
    server.setTimeout(500);`);
  const stream = ask(port, '/stream');
  await becomes(1, 0);
  const second = ask(port, '/next');
  await becomes(1, 1);
  expect((await stream).text).toBe('x'.repeat(15));
  expect((await second).text).toBe('done');
  memory(0.2);
});

it('refuses a large upload before Node itself ends it for its time', async () => {
  const { port, becomes } = await startGated(`${HOLDS} server.requestTimeout = 2000;`);
  const first = ask(port, '/hold');
  await becomes(1, 0);
  const small = ask(port, '/small', { body: 'x' });
  const large = raw(port, 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n');
  await becomes(1, 2);
  await becomes(1, 1);
  await until(() => large.text().startsWith('HTTP/1.1 503'), 'it is refused');
  await ask(port, '/healthz');
  expect((await Promise.all([first, small])).map(({ status }) => status)).toEqual([200, 200]);
});

it('admits new work again where a guardian that drains falls silent', async () => {
  const { port, hook } = await startGated(HOLDS);
  hook.send({ type: 'draining', reason: 'a test', retryAfterSeconds: 3 });
  await hook.ask(1000);
  expect((await ask(port, '/a')).status).toBe(503);
  await until(async () => (await ask(port, '/a')).status === 200, 'it is admitted');
});

it('lets pass what the agent asks of itself over TLS, and over what it opened before', async () => {
  const { key, cert } = await makeCertificates('127.0.0.1');
  const { port } = await startGated(`
    const { Agent, createServer, get } = require('node:http');
    const https = require('node:https');
    const agent = new Agent({ keepAlive: true });
    const safe = https.createServer(${JSON.stringify({ key, cert })}, (_, response) => response.end('safe')).listen(0);
    const server = createServer((request, response) => {
      const pass = (answer) => answer.pipe(response);
      if (request.url === '/inner') response.end('inner');
      else if (request.url === '/safe') https.get({ port: safe.address().port, rejectUnauthorized: false, agent: false }, pass);
      else get({ port: server.address().port, path: '/inner', agent }, pass);
    }).listen(0, () => get({ port: server.address().port, path: '/inner', agent }, (answer) =>
      answer.resume().on('end', () => console.log('port ' + server.address().port))));`);
  const startedMs = performance.now();
  expect((await ask(port, '/outer')).text).toBe('inner');
  expect((await ask(port, '/safe')).text).toBe('safe');
  expect(performance.now() - startedMs).toBeLessThan(2000);
});
