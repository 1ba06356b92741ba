import { createServer, type RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAdminServer } from '../../../src/adapters/admin-server.ts';
import { commandPowers } from '../../../src/commands/doctor/command-powers.ts';
import { takingRequests } from '../../../src/commands/doctor/requests.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import type { Reading } from '../../../src/core/model/reading.ts';

const MIB = 2 ** 20;

async function configOf(flags: Record<string, string>) {
  return (await resolveConfig({ flags })).config;
}

/** What could be done in a command started with these flags, environment and limit. */
async function powersOf(flags: Record<string, string>, nodeOptions = '', limitMebibytes = 1024) {
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
  };
  const powers = await commandPowers(await configOf(flags), { NODE_OPTIONS: nodeOptions }, reading);
  for (const { has, mend } of powers) expect(mend === '').toBe(has === 'yes');
  return Object.fromEntries(powers.map((power) => [power.power, power]));
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
    const powers = await powersOf({}, FREE);
    expect(powers['collect garbage']).toMatchObject({ has: 'yes', detail: expect.stringMatching(/Node/) });
    expect(powers['name what grows']).toMatchObject({ has: 'yes' });
    expect(powers['heap limit fits']).toMatchObject({ has: 'yes' });
  });

  it.each(['--disable-sigusr1', '--permission'])('names %s in NODE_OPTIONS', async (flag) => {
    expect((await powersOf({}, `${FREE} ${flag}`))['collect garbage']).toMatchObject({
      has: 'partly',
      mend: `leave ${flag} out`,
    });
  });

  it('names the inspector port that is in use', async () => {
    const port = await serve(() => {});
    const powers = await powersOf({}, `--inspect-port=${port}`);
    expect(powers['collect garbage']).toMatchObject({
      has: 'partly',
      detail: expect.stringContaining(`127.0.0.1:${port}`),
      mend: expect.stringContaining('--inspect-port'),
    });
  });

  it('knows that only --restart starts it again', async () => {
    const ending = async (flags: Record<string, string>) => (await powersOf(flags, FREE))['end it in order'];
    expect(await ending({})).toMatchObject({ has: 'no', mend: expect.stringContaining('--restart') });
    expect(await ending({ restart: 'always' })).toMatchObject({ has: 'yes' });
    expect(await ending({ recycle: 'on' })).toMatchObject({ has: 'yes' });
    expect(await ending({ recycle: 'off', restart: 'always' })).toMatchObject({ has: 'no' });
  });

  it('gives the heap limit to set', async () => {
    expect((await powersOf({}, FREE, 256))['heap limit fits']).toMatchObject({
      has: 'partly',
      mend: expect.stringContaining('--max-old-space-size=192 '),
    });
    const set = await powersOf({}, `${FREE} --max-old-space-size=192`, 256);
    expect(set['heap limit fits']).toMatchObject({ has: 'yes' });
  });
});

describe.runIf(process.platform === 'linux')('doctor, of requests to act', () => {
  const requests = async (port: number, beside: boolean) =>
    takingRequests(await configOf({ adminListen: `127.0.0.1:${port}` }), { beside });

  it('can take them at a free address', async () => {
    expect(await requests(0, false)).toMatchObject({
      has: 'yes',
      detail: expect.stringMatching(/this host/),
    });
    const open = await configOf({ adminListen: '0.0.0.0:0', adminToken: '0123456789abcdef0123456789abcdef' });
    expect(await takingRequests(open, { beside: false })).toMatchObject({
      has: 'yes',
      detail: expect.stringMatching(/token/),
    });
  });

  it.each([
    undefined,
    'a-token-that-is-long-enough-for-this',
  ])('knows a guardian that listens there, and does nothing to it (token %s)', async (token) => {
    const port = await guardian(token);
    expect(await requests(port, true)).toMatchObject({ has: 'yes' });
    expect(await requests(port, false)).toMatchObject({
      has: 'no',
      detail: expect.stringMatching(/another guardian/),
      mend: expect.stringContaining('--admin-listen'),
    });
  });

  it('knows another program that listens there', async () => {
    const port = await serve((_, response) => response.end());
    expect(await requests(port, true)).toMatchObject({
      has: 'no',
      detail: expect.stringMatching(/another process/),
    });
  });
});
