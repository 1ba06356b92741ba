import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { startServer } from '../../support/http-server.ts';

const HTML = '<!doctype html><title>x</title>';
const HEADERS = { ETag: 'W/"one"', 'Content-Security-Policy': "default-src 'none'" };

async function startPage() {
  const folder = mkdtempSync(join(tmpdir(), 'page-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const page = join(folder, 'page.html');
  writeFileSync(page, HTML);
  writeFileSync(`${page}.gz`, gzipSync(HTML));
  writeFileSync(`${page}.json`, JSON.stringify(HEADERS));
  const server = await startServer({ page });
  // fetch would unpack and always accept gzip
  const get = (headers: Record<string, string> = {}, method = 'GET') =>
    new Promise<{ status: number | undefined; headers: Record<string, unknown>; body: Buffer }>(
      (resolve, reject) => {
        const asked = request(
          { port: server.port, host: '127.0.0.1', path: '/', method, headers },
          (answer) => {
            const parts: Buffer[] = [];
            answer.on('data', (part) => parts.push(part));
            answer.on('end', () =>
              resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }),
            );
          },
        );
        asked.on('error', reject).end();
      },
    );
  return { ...server, page, get };
}

it('is answered with its policy, to be asked for again each time', async () => {
  const { get } = await startPage();
  const { status, headers, body } = await get();
  expect([status, body.toString()]).toEqual([200, HTML]);
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-length': String(HTML.length),
    'cache-control': 'no-cache',
    'content-security-policy': "default-src 'none'",
    'x-content-type-options': 'nosniff',
    etag: 'W/"one"',
    vary: 'Accept-Encoding',
  });
  expect(headers['content-encoding']).toBeUndefined();
});

it.each([
  ['gzip', true],
  ['br, GZip;q=0.5', true],
  ['*', true],
  ['gzip;q=0', false],
  ['gzip; q=0.000, br', false],
  ['br', false],
  ['notgzip', false],
])('is compressed for Accept-Encoding "%s": %s', async (accepted, packed) => {
  const { get } = await startPage();
  const { headers, body } = await get({ 'Accept-Encoding': accepted });
  expect(headers['content-encoding']).toBe(packed ? 'gzip' : undefined);
  expect((packed ? gunzipSync(body) : body).toString()).toBe(HTML);
});

it.each([
  ['W/"one"', 304],
  ['"one"', 304],
  ['"two", W/"one"', 304],
  ['*', 304],
  ['"two"', 200],
  ['', 200],
])('is not sent again to who has it: If-None-Match %s gives %i', async (tag, expected) => {
  const { get } = await startPage();
  const { status, headers, body } = await get({ 'If-None-Match': tag });
  expect([status, body.length > 0, headers['etag']]).toEqual([expected, expected === 200, 'W/"one"']);
});

it('has a head without a body, and takes nothing', async () => {
  const { get } = await startPage();
  const head = await get({}, 'HEAD');
  expect([head.status, head.headers['content-length'], head.body.length]).toEqual([
    200,
    String(HTML.length),
    0,
  ]);
  expect((await get({}, 'POST')).status).toBe(405);
});

it('is not kept: what lies on disk is what is served', async () => {
  const { get, page } = await startPage();
  await get();
  writeFileSync(page, 'new');
  await expect.poll(async () => (await get()).body.toString(), { timeout: 5000 }).toBe('new');
});

it('may be absent', async () => {
  const { get, page, errors } = await startPage();
  rmSync(page);
  expect((await get()).status).toBe(404);
  expect(errors).toEqual([]);
});
