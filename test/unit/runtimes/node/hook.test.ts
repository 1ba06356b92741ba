import { get } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { createNodeClient } from '../../../../src/runtimes/node/client.ts';
import { createHeapProfile } from '../../../../src/runtimes/node/heap-profile.ts';
import type { HookServer } from '../../../../src/sources/hook/server.ts';
import { createInspectorTarget } from '../../../../src/sources/inspector/target.ts';
import { hookOf, listening, startHooked, temporary } from '../../../support/hooked.ts';
import { NO_SIGNALS, NODES, portsOf } from '../../../support/node-matrix.ts';
import { type Started, until } from '../../../support/started.ts';

/** Serves, handles SIGUSR1 and SIGTERM, runs a worker thread that holds garbage, and answers `/slow` when told to. */
const AGENT = `
const { createServer } = require('node:http');
const { Worker } = require('node:worker_threads');
process.on('SIGUSR1', () => console.log('SIGUSR1'));
process.on('SIGTERM', () => process.exit(0));
new Worker('let kept = []; for (let i = 0; i < 20; i++) kept.push(new Array(1e5).fill(i + 0.5)); kept = []; setInterval(() => {}, 1000)', { eval: true });
const slow = [];
const server = createServer((request, response) => {
  if (request.url === '/slow') return slow.push(response);
  if (request.url === '/end') for (const each of slow.splice(0)) each.end();
  if (request.url === '/block') for (const end = Date.now() + 4000; Date.now() < end; );
  response.end('done');
});
let garbage = [];
for (let i = 0; i < 30; i++) garbage.push(new Array(1e5).fill(i + 0.5));
garbage = [];
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
`;

const portOf = (agent: Started) => Number(/port (\d+)/.exec(agent.output())?.[1]);

function ask(port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get({ port, path, agent: false }, (answer) => answer.resume().on('end', resolve)).on('error', reject);
  });
}

/** A hand in a process that may only be entered by its hook. */
function handIn(hooks: HookServer, pid: number) {
  const client = createNodeClient({
    target: createInspectorTarget({ procRoot: '/proc', pid }),
    connect: async () => {
      throw new Error('no inspector is connected to while there is a hook');
    },
    signals: NO_SIGNALS,
    hook: () => hooks.of(pid),
    profiler: (main, workers) => createHeapProfile(main, { workers, findPlaces: async () => [] as never }),
  });
  onTestFinished(() => client.release());
  return client;
}

it.each(NODES)('$version: collects, profiles and counts without a port and without a signal', async ({
  bin,
}) => {
  const hooks = await listening(temporary());
  const directory = hooks.directory ?? '';
  const agent = await startHooked(directory, AGENT, { bin });
  const hook = await hookOf(hooks, agent.pid);
  expect(hook.state).toMatchObject({ sigterm: true });
  const client = handIn(hooks, agent.pid);

  const full = await client.collect('full');
  expect(full).toMatchObject({ way: 'full', workers: 1 });
  expect(full.after?.usedBytes).toBeLessThan(full.before?.usedBytes ?? 0);
  await expect(client.collect('fast')).resolves.toMatchObject({ way: 'fast', workers: 1 });
  expect(await client.facts()).toMatchObject({ usedBytes: expect.any(Number) });
  expect(client.connection).toBe('hook');
  await client.startProfile?.();
  const profile = await client.profile?.();
  expect(profile?.file?.content).toContain('"head"');
  let length = 0;
  await client.snapshot?.(async (chunk) => {
    length += chunk.length;
  });
  expect(length).toBeGreaterThan(100_000);

  const port = portOf(agent);
  const slow = ask(port, '/slow');
  await until(async () => (await hook.ask(2000)).inFlight === 1);
  expect(portsOf(agent.pid)).toEqual([port]);
  await ask(port, '/end');
  await slow;
  await until(async () => (await hook.ask(2000)).inFlight === 0);
  await client.release();
  expect(client.connection).toBe('none');
  expect(agent.output()).not.toContain('SIGUSR1');
}, 60_000);

it('looks for an open inspector while the event loop is blocked, and comes back to the hook', async () => {
  const hooks = await listening(temporary());
  const agent = await startHooked(hooks.directory ?? '', AGENT);
  await hookOf(hooks, agent.pid);
  const client = handIn(hooks, agent.pid);
  await client.facts();
  const blocked = ask(portOf(agent), '/block');
  const codes = new Set<string>();
  await until(async () => {
    await client.facts().catch(({ code }) => codes.add(code));
    return codes.has('refused'); // there is none, and no signal may open it
  });
  await blocked;
  await until(() =>
    client.facts().then(
      () => client.connection === 'hook',
      () => false,
    ),
  );
}, 60_000);

it.each(NODES)('$version: tells what full collections leave, not those of the young generation', async ({
  bin,
}) => {
  const hooks = await listening(temporary());
  const agent = await startHooked(
    hooks.directory ?? '',
    `const kept = Array.from({ length: 50 }, (_, i) => new Array(131_072).fill(i + 0.5));
    let young = [];
    setInterval(() => { for (let i = 0; i < 20_000; i++) young[i % 100] = { kept, i }; }, 10);
    process.on('SIGUSR2', () => gc());
    console.log('runs');`,
    { bin, flags: ['--expose-gc', '--trace-gc', '--max-semi-space-size=1', '--max-old-space-size=70'] },
  );
  const hook = await hookOf(hooks, agent.pid);
  const count = (kind: RegExp) => [...agent.output().matchAll(kind)].length;
  const before = { full: count(/Mark-Compact/g), young: count(/Scavenge/g) };
  const left = new Set<number | undefined>();
  await until(async () => {
    left.add((await hook.ask(2000)).heap.left?.bytes);
    return count(/Scavenge/g) - before.young > 50;
  });
  // before the first one the hook sends none
  expect(left.size).toBeLessThanOrEqual(count(/Mark-Compact/g) - before.full + 1);
  process.kill(agent.pid, 'SIGUSR2');
  await until(async () => ((await hook.ask(2000)).heap.left?.bytes ?? 0) > 50 * 2 ** 20);
}, 60_000);

it.each(NODES)('$version: gives Node nothing to warn the agent of', async ({ bin }) => {
  const hooks = await listening(temporary());
  const warned = "process.on('warning', ({ message }) => console.log('warned', message));";
  const agent = await startHooked(hooks.directory ?? '', warned + AGENT, { bin });
  await hookOf(hooks, agent.pid);
  // more than a message apart
  for (let i = 0; i < 4; i++) {
    await ask(portOf(agent), '/');
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  expect(agent.output()).not.toContain('warned');
}, 60_000);

it('connects to an agent that has no FinalizationRegistry, and tells its heap', async () => {
  const hooks = await listening(temporary());
  const agent = await startHooked(
    hooks.directory ?? '',
    `delete globalThis.FinalizationRegistry;
    globalThis.kept = Array.from({ length: 60 }, (_, i) => new Array(131_072).fill(i + 0.5));
    setInterval(() => {}, 1000);
    console.log('runs');`,
    { flags: ['--max-old-space-size=70'] },
  );
  const hook = await hookOf(hooks, agent.pid);
  const { heap } = await hook.ask(2000);
  expect(heap.usedBytes).toBeGreaterThan(0.8 * heap.limitBytes);
  expect(heap.left).toBeUndefined();
});
