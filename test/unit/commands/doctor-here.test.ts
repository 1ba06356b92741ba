import { createServer, type RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAdminServer } from '../../../src/adapters/admin-server.ts';
import { adminEndpoint } from '../../../src/commands/doctor/admin-endpoint.ts';
import { commandChecks } from '../../../src/commands/doctor/command-checks.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import type { Reading } from '../../../src/core/model/reading.ts';

const MIB = 2 ** 20;

async function configOf(flags: Record<string, string>) {
  return (await resolveConfig({ flags })).config;
}

/** What could be done in a command started with these flags, environment and limit. */
async function checksOf(flags: Record<string, string>, nodeOptions = '', limitMebibytes = 1024) {
  const reading: Reading = {
    atMs: 0,
    usedBytes: MIB,
    reclaimableBytes: 0,
    anonBytes: null,
    shmemBytes: null,
    kernelBytes: null,
    rssBytes: MIB,
    limitBytes: limitMebibytes * MIB,
    limitSource: 'option',
    usageSource: 'rss',
    heap: null,
    others: [],
  };
  const checks = await commandChecks(await configOf(flags), { NODE_OPTIONS: nodeOptions }, reading);
  for (const { status, hint } of checks) expect(hint === '').toBe(status === 'pass');
  return Object.fromEntries(checks.map((check) => [check.check, check]));
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function guardian(token?: string): Promise<number> {
  const refuse = () => Promise.reject(new Error('nothing is to be done'));
  const admin = createAdminServer({
    collect: refuse,
    profile: refuse,
    snapshot: refuse,
    token,
    onError: () => {},
  });
  const { port } = await admin.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => admin.close());
  return port;
}

describe.runIf(process.platform === 'linux')('doctor, of a command that is not started yet', () => {
  const FREE = '--inspect-port=0';

  it('has the ways into each runtime', async () => {
    const checks = await checksOf({}, FREE);
    expect(checks['garbage collection']).toMatchObject({
      status: 'pass',
      code: 'ok',
    });
    expect(checks['growth profile']).toMatchObject({ status: 'pass' });
    expect(checks['heap limit']).toMatchObject({ status: 'pass' });
  });

  it.each(['--disable-sigusr1', '--permission'])('names %s in NODE_OPTIONS', async (flag) => {
    expect((await checksOf({}, `${FREE} ${flag}`))['garbage collection']).toMatchObject({
      status: 'warn',
      code: 'sigusr1_disabled',
      hint: expect.stringContaining(flag),
    });
  });

  it('names the inspector port that is in use', async () => {
    const port = await serve(() => {});
    const checks = await checksOf({}, `--inspect-port=${port}`);
    expect(checks['garbage collection']).toMatchObject({
      status: 'warn',
      code: 'port_taken',
      detail: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  it('knows that only --restart starts it again', async () => {
    const ending = async (flags: Record<string, string>) => (await checksOf(flags, FREE))['graceful recycle'];
    expect(await ending({})).toMatchObject({ status: 'fail', code: 'no_restart_policy' });
    expect(await ending({ restart: 'always' })).toMatchObject({ status: 'pass' });
    expect(await ending({ recycle: 'on' })).toMatchObject({ status: 'pass' });
    expect(await ending({ recycle: 'off', restart: 'always' })).toMatchObject({ status: 'fail' });
  });

  it('gives the heap limit to set', async () => {
    expect((await checksOf({}, FREE, 256))['heap limit']).toMatchObject({
      status: 'warn',
      code: 'heap_limit_too_high',
      hint: expect.stringContaining('--max-old-space-size=192 '),
    });
    const set = await checksOf({}, `${FREE} --max-old-space-size=192`, 256);
    expect(set['heap limit']).toMatchObject({ status: 'pass' });
  });
});

describe.runIf(process.platform === 'linux')('doctor, of requests to act', () => {
  const requests = async (port: number, beside: boolean) =>
    adminEndpoint(await configOf({ adminListen: `127.0.0.1:${port}` }), { beside });

  it('can take them at a free address', async () => {
    expect(await requests(0, false)).toMatchObject({ status: 'pass', code: 'ok' });
    const open = await configOf({ adminListen: '0.0.0.0:0', adminToken: '0123456789abcdef0123456789abcdef' });
    expect(await adminEndpoint(open, { beside: false })).toMatchObject({ status: 'pass', code: 'ok' });
  });

  it.each([
    undefined,
    'a-token-that-is-long-enough-for-this',
  ])('knows a guardian that listens there, and does nothing to it (token %s)', async (token) => {
    const port = await guardian(token);
    expect(await requests(port, true)).toMatchObject({ status: 'pass' });
    expect(await requests(port, false)).toMatchObject({
      status: 'fail',
      code: 'other_guardian',
    });
  });

  it('knows another program that listens there', async () => {
    const port = await serve((_, response) => response.end());
    expect(await requests(port, true)).toMatchObject({
      status: 'fail',
      code: 'other_process',
    });
  });
});
