import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type GuardianProcess, rssMiB, startTidal, until } from '../support/cli.ts';
import { random } from '../support/memory-stories.ts';

const ROUTES = [
  '/',
  '/livez',
  '/readyz',
  '/admit',
  '/metrics',
  '/v1/status',
  '/v1/history',
  '/v1/post-mortems',
];

/** A connection on which the text was sent; what came back is collected. */
function open(port: number, text: string | Buffer, half = false) {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: half }, () => {
    if (half) socket.end(text);
    else socket.write(text);
  });
  const got = { text: '', closed: false };
  socket.on('data', (data) => (got.text += data.toString('latin1')));
  socket.on('error', () => {}); // a reset is an answer, too
  socket.on('close', () => (got.closed = true));
  onTestFinished(() => void socket.destroy());
  return { socket, got };
}

/** Sends and waits for the first answer, or for the end of the connection. */
async function exchange(port: number, text: string | Buffer, half = false): Promise<string> {
  const { got } = open(port, text, half);
  await until(
    () => got.closed || /^HTTP[\s\S]*\r\n\r\n/.test(got.text),
    `an answer to ${JSON.stringify(String(text).slice(0, 80))}`,
  );
  return got.text;
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? Number.NaN);

async function expectWell(guardian: GuardianProcess): Promise<void> {
  expect((await guardian.get('/livez')).status).toBe(200);
  expect((await guardian.status()).blind).toBe(false);
  expect(guardian.text.err).not.toContain('unexpected:');
}

describe('the guardian under odd requests', () => {
  it('should answer each kind of broken request with an error object and go on', async () => {
    const guardian = await startTidal();
    const { port } = guardian;
    const broken: [string, string | Buffer, number][] = [
      ['garbage', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
      ['a huge header', `GET /livez HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
      ['a huge path', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
      ['a bad escape', 'GET /v1/post-mortems/%E0%A4%A HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['a bad escape in a query', 'GET /admit?weight=%E0%A4%A HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      [
        'two lengths',
        'POST /admit HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
        400,
      ],
      [
        'a smuggled body',
        'POST /admit HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
      ],
      ['an unknown method', 'BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['a route that is none', 'GET /v1/secret HTTP/1.1\r\nHost: x\r\n\r\n', 404],
      ['a way out', 'GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', 404],
      [
        'a post-mortem that is a path',
        'GET /v1/post-mortems/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n\r\n',
        404,
      ],
    ];
    for (const [what, text, status] of broken) {
      const answer = await exchange(port, text);
      expect(statusOf(answer), `${what}: ${answer}`).toBe(status);
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))), what).toMatchObject({
        error: { code: expect.any(String), message: expect.any(String) },
      });
    }
    // the parser's own refusal, which has no body
    expect(statusOf(await exchange(port, 'GET /livez HTTP/1.1\r\n\r\n'))).toBe(400);
    await expectWell(guardian);
  });

  it('should serve what is unusual and right: absolute forms, pipelining, half-open ends, upgrades it declines', async () => {
    const guardian = await startTidal();
    const { port } = guardian;
    expect(
      statusOf(await exchange(port, 'GET http://elsewhere/livez HTTP/1.1\r\nHost: elsewhere\r\n\r\n')),
    ).toBe(200);
    expect(statusOf(await exchange(port, 'GET /livez\r\n\r\n'))).toBe(200); // HTTP/0.9, which the parser takes
    expect(statusOf(await exchange(port, 'GET /livez HTTP/1.0\r\n\r\n'))).toBe(200);
    expect(statusOf(await exchange(port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n', true))).toBe(200);
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n';
    expect(statusOf(await exchange(port, `GET /livez HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`))).toBe(200);
    const { got } = open(port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(8));
    await until(
      () => (got.text.match(/HTTP\/1\.1 200/g) ?? []).length === 8,
      'all pipelined requests are answered',
    );
    await expectWell(guardian);
  });

  it('should refuse a POST with a body on every route that only reads, and admit it on /admit', async () => {
    const guardian = await startTidal();
    const body = 'x'.repeat(100_000);
    for (const route of ROUTES) {
      const answer = await guardian.get(route, { method: 'POST', body });
      expect(answer.status, route).toBe(route === '/admit' ? 204 : 405);
    }
    await expectWell(guardian);
  });

  it('should answer 400 to a weight that is none', async () => {
    const guardian = await startTidal();
    for (const weight of ['-1', '0', '1e9', 'NaN', 'Infinity', '', '1,5', '1&weight=2', '%00', '0x10', '٣'])
      expect((await guardian.get(`/admit?weight=${weight}`)).status, weight).toBe(400);
    await expectWell(guardian);
  });

  it('should cut off headers that drip in, and bodies that never come, and stay small meanwhile', async () => {
    const guardian = await startTidal();
    const before = rssMiB(guardian.pid);
    const drips = Array.from({ length: 200 }, () =>
      open(guardian.port, 'GET /livez HTTP/1.1\r\nHost: x\r\nX-Drip: '),
    );
    const bodies = Array.from({ length: 50 }, () =>
      open(guardian.port, 'POST /admit HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n'),
    );
    const drip = setInterval(() => {
      for (const { socket } of drips) if (socket.writable) socket.write('a');
    }, 200);
    onTestFinished(() => clearInterval(drip));
    await expectWell(guardian);
    await until(() => drips.every(({ got }) => got.closed), 'the drips are cut off', 12_000);
    expect(statusOf(drips[0]?.got.text ?? '')).toBe(408);
    await until(
      () => bodies.every(({ got }) => statusOf(got.text) === 204),
      'admission did not wait for the bodies',
    );
    expect(rssMiB(guardian.pid) - before).toBeLessThan(25);
    await expectWell(guardian);
  });

  it('should survive random bytes and mutilated requests, with bounded memory', async () => {
    const guardian = await startTidal();
    const next = random(3);
    const good = 'GET /admit?weight=2 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX-Long: abcdefgh\r\n\r\n';
    const mutilate = () => {
      const bytes = Buffer.from(good);
      for (let i = 0; i < 1 + next() * 8; i++)
        bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      return bytes.subarray(0, next() < 0.2 ? Math.floor(next() * bytes.length) : bytes.length);
    };
    const noise = () =>
      Buffer.from(Array.from({ length: 1 + Math.floor(next() * 2000) }, () => Math.floor(next() * 256)));
    const rounds = async (count: number) => {
      for (let round = 0; round < count; round++) {
        const connections = Array.from({ length: 20 }, () =>
          open(guardian.port, next() < 0.7 ? mutilate() : noise()),
        );
        await sleep(10);
        for (const { socket, got } of connections) {
          if (got.text) expect(got.text).toMatch(/^HTTP\/1\.1 (2|4)\d\d /);
          if (next() < 0.5) socket.resetAndDestroy();
          else socket.destroy();
        }
      }
    };
    await rounds(30);
    const warm = rssMiB(guardian.pid);
    await rounds(60);
    await expectWell(guardian);
    const grown = rssMiB(guardian.pid) - warm;
    console.log(
      `1,200 broken connections: ${grown.toFixed(1)} MiB more than after the first 600 (of ${rssMiB(guardian.pid).toFixed(0)})`,
    );
    expect(grown).toBeLessThan(10);
  });
});
