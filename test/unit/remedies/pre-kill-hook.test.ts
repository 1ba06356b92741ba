import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { Finding } from '../../../src/core/model/events.ts';
import type { Remedy, Situation } from '../../../src/core/ports/ports.ts';
import { createPreKillHook } from '../../../src/remedies/pre-kill-hook.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A program in the pod that takes the call. */
async function program(answers: boolean) {
  const bodies: { status: unknown; secondsToLimit: number; deadline: string }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      bodies.push(JSON.parse(text));
      if (answers) response.writeHead(204).end();
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/save`, bodies };
}

const hookTo = (url: string | undefined, clock = new FakeClock()) =>
  createPreKillHook({ url, clock, status: () => ({ level: 'critical' }) });

/** What the hook goes by. */
const at = (level: Situation['level'], secondsToLimit: number | null) =>
  ({ level, outlook: { secondsToLimit } }) as Situation;

/** What it has found, as soon as there is something. */
async function foundBy(hook: Remedy): Promise<Finding[]> {
  const found: Finding[] = [];
  await expect.poll(() => found.push(...hook.findings())).toBe(1);
  return found;
}

/** The finding of a call whose kill is foreseen in `seconds`. */
const calling = (seconds: string, result: string) => ({
  reason: 'PreKillHookCalled',
  note: `The kill is foreseen in about ${seconds}: the pre-kill hook ${result}.`,
});

it('gets status, forecast and deadline when the kill is foreseen, once in each episode', async () => {
  const { url, bodies } = await program(true);
  const hook = hookTo(url);
  for (const calm of [at('ok', null), at('warning', 4), at('shedding', null), at('shedding', 30)])
    hook.attend(calm);
  expect(hook.status()).toMatchObject({ name: 'pre-kill-hook', state: 'idle', code: 'none_foreseen' });
  for (let i = 0; i < 5; i++) hook.attend(at('critical', 3));
  expect(hook.status().state).toBe('acting');
  await expect
    .poll(() => bodies)
    .toEqual([{ status: { level: 'critical' }, secondsToLimit: 3, deadline: '2026-01-01T00:00:03.000Z' }]);
  expect(await foundBy(hook)).toEqual([calling('3.0 s', 'answered 204')]);
  expect(hook.status()).toMatchObject({ state: 'idle', code: 'answered' });
  hook.attend(at('critical', 1));
  hook.attend(at('ok', null));
  expect(bodies).toHaveLength(1);
  hook.attend(at('critical', 2));
  await expect.poll(() => bodies.length).toBe(2);
});

it('that does not answer, or is not there, is reported and holds nothing up', async () => {
  const silent = await program(false);
  const gone = await program(true);
  servers.pop()?.close();
  const clock = new FakeClock();
  const hooks = [hookTo(silent.url, clock), hookTo(gone.url)];
  const startMs = performance.now();
  for (const hook of hooks) hook.attend(at('critical', 1));
  expect(performance.now() - startMs).toBeLessThan(100);
  await expect.poll(() => silent.bodies).toHaveLength(1);
  await clock.advance(2000);
  const [late, refused] = hooks as [Remedy, Remedy];
  expect(await foundBy(late)).toEqual([calling('1.0 s', 'failed: no answer within 2.0 s')]);
  const refusal = `failed: connect ECONNREFUSED ${new URL(gone.url).host}`;
  expect(await foundBy(refused)).toEqual([calling('1.0 s', refusal)]);
  for (const hook of hooks) expect(hook.status()).toMatchObject({ state: 'idle', code: 'failed' });
});

it('is off where no URL is set, and silent after the end', async () => {
  expect(hookTo(undefined).status()).toMatchObject({ state: 'off' });
  const { url } = await program(false);
  const hook = hookTo(url);
  hook.attend(at('critical', 1));
  await hook.end();
  hook.attend(at('critical', 1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(hook.findings()).toEqual([]);
});

it('survives a status that cannot be told, and takes no endless answer', async () => {
  let closed = false;
  const endless = createServer((_request, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('data: x\n\n'), 10);
    response.once('close', () => {
      closed = true;
      clearInterval(timer);
    });
  });
  servers.push(endless);
  await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}/`;
  let fails = true;
  const hook = createPreKillHook({
    url,
    clock: new FakeClock(),
    status() {
      if (fails) throw new Error('no status');
      return {};
    },
  });
  hook.attend(at('critical', 1));
  expect(await foundBy(hook)).toEqual([calling('1.0 s', 'failed: no status')]);
  fails = false;
  hook.attend(at('ok', null));
  hook.attend(at('critical', 1));
  expect(await foundBy(hook)).toEqual([calling('1.0 s', 'answered 200')]);
  await expect.poll(() => closed).toBe(true);
});
