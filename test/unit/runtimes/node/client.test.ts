import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { get } from 'node:http';
import { totalmem } from 'node:os';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeError, SpillwayError } from '../../../../src/core/lib/errors.ts';
import type { NodeClient } from '../../../../src/runtimes/node/client.ts';
import { createHeapProfile } from '../../../../src/runtimes/node/heap-profile.ts';
import { createInspectorTarget } from '../../../../src/sources/inspector/target.ts';
import { readChildren } from '../../../../src/sources/proc-fs.ts';
import { goldenLines } from '../../../support/golden.ts';
import {
  agentFile,
  clientOf,
  lives,
  NO_SIGNALS,
  NODES,
  OLD_ENOUGH_MS,
  portsOf,
  startNode,
} from '../../../support/node-matrix.ts';
import { type Started, start, until } from '../../../support/started.ts';

const DEBUGGER = fileURLToPath(new URL('../../../support/agents/node-debugger.mjs', import.meta.url));
/** Any free port: several agents of several tests share one network. */
const FREE = '--inspect-port=0';
/** Where two processes must meet: not the usual one, which others on the machine may use. */
const PORT = 20_000 + (process.pid % 10_000);
const MIB = 2 ** 20;
const said = goldenLines('node-client');

/** How a call ended that must not succeed. */
async function refusal(call: Promise<unknown>): Promise<SpillwayError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SpillwayError);
  return error as SpillwayError;
}

/** Collects in both ways, lets go; the agent is as it was. */
async function usedAndLeft(
  agent: Started,
  options: Parameters<typeof clientOf>[1] = {},
): Promise<NodeClient> {
  const ports = portsOf(agent.pid);
  const client = clientOf(agent.pid, options);
  const facts = await client.facts();
  expect(facts.limitBytes).toBeGreaterThan(50 * MIB);
  expect(facts.committedBytes).toBeGreaterThan(facts.limitedBytes);
  await dropped(agent);
  const fast = await client.collect('fast');
  expect(fast.way).toBe('fast');
  expect(facts.usedBytes - (fast.after?.usedBytes ?? 0)).toBeGreaterThan(50 * MIB);
  expect(fast.stallMs).toBeGreaterThan(0);
  const full = await client.collect('full');
  expect(full.after?.usedBytes).toBeLessThan(20 * MIB);
  expect(full.after?.committedBytes).toBeLessThan(facts.committedBytes - 40 * MIB);
  await client.release();
  expect(portsOf(agent.pid)).toEqual(ports);
  expect(lives(agent.pid)).toBe(true);
  return client;
}

/** What the agent held is garbage now. */
async function dropped(agent: Started): Promise<void> {
  process.kill(agent.pid, 'SIGWINCH');
  await until(() => agent.output().includes('dropped'));
}

async function debug(port: number, ...args: string[]) {
  const client = await start(process.execPath, [DEBUGGER, String(port), ...args], { awaitOutput: true });
  onTestFinished(client.kill);
  return client;
}

/** Ends a process; what it held is given back a moment later. */
async function ended(started: Started): Promise<void> {
  started.kill();
  await until(() => started.child.signalCode !== null);
  await sleep(50);
}

describe.each(NODES)('a Node agent, $version', ({ bin, major }) => {
  describe.each(['cjs', 'mjs'] as const)('%s', (kind) => {
    const file = agentFile(kind);

    it('is entered by SIGUSR1, collected, and left as it was, again and again', async () => {
      const agent = await startNode(bin, [FREE, file, 'garbage=60']);
      expect(portsOf(agent.pid)).toEqual([]);
      const client = await usedAndLeft(agent);
      expect((await client.facts()).usedBytes).toBeGreaterThan(0);
      expect(portsOf(agent.pid)).toEqual([client.inspectorPort]);
      expect(client.opened).toBe(true);
      await client.release();
      expect(portsOf(agent.pid)).toEqual([]);
    });

    it.each([['--inspect=0'], ['--inspect=127.0.0.1:0']])('keeps its own inspector: %s', async (flag) => {
      const agent = await startNode(bin, [flag, file, 'garbage=60']);
      expect(portsOf(agent.pid)).toHaveLength(1);
      const client = await usedAndLeft(agent, { signals: NO_SIGNALS });
      expect(client.opened).toBe(false);
    });
  });

  const file = agentFile('cjs');
  const CLOSED: [string, string[], NodeJS.ProcessEnv][] = [
    ['--disable-sigusr1', ['--disable-sigusr1'], {}],
    ['--disable-sigusr1 in NODE_OPTIONS', [], { NODE_OPTIONS: '--disable-sigusr1' }],
    [
      '--permission',
      major < 24 ? ['--experimental-permission', '--allow-fs-read=*'] : ['--permission', '--allow-fs-read=*'],
      {},
    ],
  ];
  it.each(major < 22 ? [] : CLOSED)('refuses what cannot be opened: %s', async (_, flags, env) => {
    const agent = await startNode(bin, [...flags, file], { env });
    const error = await refusal(clientOf(agent.pid).facts());
    expect(error).toMatchObject({ code: 'refused', retryable: false });
    said('SIGUSR1 is not caught', describeError(error), { PID: agent.pid });
    await sleep(100);
    expect(lives(agent.pid)).toBe(true);
    expect(portsOf(agent.pid)).toEqual([]);
  });

  it('sends one signal to a program with a handler of its own', async () => {
    const agent = await startNode(bin, [FREE, file, 'handler']);
    const client = clientOf(agent.pid);
    const first = await refusal(client.facts());
    expect(first).toMatchObject({ code: 'refused', retryable: false });
    said('a handler of its own', describeError(first), { PID: agent.pid });
    await refusal(client.collect('fast'));
    await client.release();
    const again = await refusal(client.facts());
    expect(again).toMatchObject({ code: 'refused', retryable: false });
    said('a handler of its own, again', describeError(again), { PID: agent.pid });
    expect(agent.output().match(/handled/g)).toHaveLength(1);
    expect(lives(agent.pid)).toBe(true);
  });

  it('recognises a program that has changed its title', async () => {
    // the title takes the place of the command line, and so of the flags in it
    const agent = await startNode(bin, [file, 'garbage=60', 'title=my agent'], {
      env: { NODE_OPTIONS: FREE },
    });
    await usedAndLeft(agent);
  });

  it.each<[string[], number]>([
    [['--max-old-space-size=100'], 100],
    [['--max-old-space-size=100', '--max-semi-space-size=100'], 100],
    ...(major >= 22
      ? [
          [['--max-old-space-size=100', '--max-old-space-size-percentage=4'], 0.04 * (totalmem() / MIB)] as [
            string[],
            number,
          ],
        ]
      : []),
    [[], 4096],
  ])('gives up at what flags set, without the young generation: %j', async (flags, mebibytes) => {
    const agent = await startNode(bin, ['--inspect=0', ...flags, agentFile('cjs')], { settle: false });
    const { limitBytes } = await clientOf(agent.pid, {}).facts();
    const expected = flags.length > 0 ? mebibytes : Math.min(4096, Math.max(256, totalmem() / MIB / 2));
    expect(Math.abs((limitBytes ?? 0) / MIB - expected)).toBeLessThan(2);
  });

  it('collects in worker threads too', async () => {
    const agent = await startNode(bin, [FREE, file, 'workers=2']);
    const client = clientOf(agent.pid);
    const facts = await client.facts();
    expect(facts.usedBytes - facts.limitedBytes).toBeGreaterThan(50 * MIB);
    await dropped(agent);
    const fast = await client.collect('fast');
    expect(fast.workers).toBe(2);
    expect(fast.after?.usedBytes).toBeLessThan(40 * MIB);
    const full = await client.collect('full');
    expect(full.workers).toBe(2);
    expect(full.after?.committedBytes).toBeLessThan(facts.committedBytes - 40 * MIB);
    await client.release();
    expect(portsOf(agent.pid)).toEqual([]);
    expect(lives(agent.pid)).toBe(true);
  });

  it('enters a worker of a cluster, and its primary only where that opens no other inspector', async () => {
    const agent = await startNode(bin, [`--inspect-port=${PORT}`, file, 'cluster=1']);
    await until(() => agent.output().match(/ready/g)?.length === 2);
    const [worker = 0] = readChildren('/proc', agent.pid, 2) ?? [];
    const error = await refusal(clientOf(agent.pid).facts());
    expect(error).toMatchObject({ code: 'refused' });
    said('the primary of a cluster', describeError(error), { PID: agent.pid });
    await sleep(OLD_ENOUGH_MS);
    const client = clientOf(worker);
    expect((await client.collect('fast')).workers).toBe(0);
    await client.release();
    expect([portsOf(agent.pid), portsOf(worker)]).toEqual([[], []]);
    expect(lives(agent.pid) && lives(worker)).toBe(true);
  });

  it('enters the primary of a cluster by its own inspector', async () => {
    const agent = await startNode(bin, [`--inspect=${PORT}`, file, 'cluster=1']);
    await until(() => agent.output().match(/ready/g)?.length === 2);
    const client = clientOf(agent.pid);
    await client.collect('full');
    await client.release();
    expect(portsOf(agent.pid)).toEqual([PORT]);
  });

  it.each(['busy', 'execSync', 'atomics'])('leaves a blocked program in time: %s', async (block) => {
    const agent = await startNode(bin, [FREE, file, `block=${block}`, 'garbage=60']);
    const client = clientOf(agent.pid);
    await client.facts();
    process.kill(agent.pid, 'SIGUSR2');
    await until(() => agent.output().includes('blocking'));
    const startMs = performance.now();
    expect(await refusal(client.collect('full'))).toMatchObject({ code: 'timeout' });
    expect(performance.now() - startMs).toBeLessThan(900);
    const leaveMs = performance.now();
    await client.release();
    expect(performance.now() - leaveMs).toBeLessThan(2000);
    await until(() => agent.output().includes('done') && portsOf(agent.pid).length === 0);
    expect(lives(agent.pid)).toBe(true);
    expect((await client.collect('fast')).before?.usedBytes).toBeGreaterThan(0);
  });

  it('sends no signal to a program that has come to its end, which would abort it', async () => {
    for (let i = 0; i < 3; i++) {
      const agent = spawn(bin, [FREE, '-e', 'console.log("ready"); setTimeout(() => {}, 1000)']);
      onTestFinished(() => void agent.kill('SIGKILL'));
      const ended = once(agent, 'exit');
      await once(agent.stdout, 'data');
      await sleep(300); // past its start
      // as the guardian does: a way in that is lost is made anew
      while (agent.exitCode === null && agent.signalCode === null) {
        const client = clientOf(agent.pid ?? 0);
        while (await client.facts().catch(() => undefined)) await sleep(20);
        await sleep(5);
      }
      expect(await ended).toEqual([0, null]);
    }
  });

  it('closes what a blocked program opens late', async () => {
    const agent = await startNode(bin, [FREE, file, 'block=execSync']);
    const client = clientOf(agent.pid);
    process.kill(agent.pid, 'SIGUSR2');
    await until(() => agent.output().includes('blocking'));
    await refusal(client.facts());
    await client.release();
    await until(() => agent.output().includes('done'));
    await sleep(300);
    await until(() => portsOf(agent.pid).length === 0);
    expect(lives(agent.pid)).toBe(true);
    // it did open: another handler would not have answered
    await client.facts();
  });

  it('leaves the inspector of a starved agent open that did not answer before the signal', async () => {
    const agent = await startNode(bin, ['--inspect=0', file]);
    const ports = portsOf(agent.pid);
    const target = createInspectorTarget({ procRoot: '/proc', pid: agent.pid });
    const find: typeof target.find = async (ms, opening) => (opening ? target.find(ms, true) : undefined);
    const client = clientOf(agent.pid, { target: { ...target, find } });
    await client.facts();
    expect(client.opened).toBe(false);
    await client.release();
    expect(portsOf(agent.pid)).toEqual(ports);
  });

  it('does not disturb a program that a debugger has paused', async () => {
    const agent = await startNode(bin, ['--inspect=0', file]);
    const [port = 0] = portsOf(agent.pid);
    const user = await debug(port, 'pause');
    await until(() => user.output().includes('paused'));
    const client = clientOf(agent.pid);
    expect(await refusal(client.collect('full'))).toMatchObject({ code: 'timeout' });
    await client.release();
    await sleep(100);
    expect(user.output()).not.toMatch(/resumed|closed/);
    process.kill(user.pid, 'SIGUSR2');
    await until(() => user.output().includes('resumed'));
    expect((await client.collect('fast')).stallMs).toBeGreaterThan(0);
    await client.release();
    expect(portsOf(agent.pid)).toEqual([port]);
  });

  it('leaves an inspector that it opened to the debugger that came to it, and closes it afterwards', async () => {
    const agent = await startNode(bin, [FREE, file]);
    const client = clientOf(agent.pid);
    await client.facts();
    const port = client.inspectorPort ?? 0;
    const user = await debug(port);
    await client.release();
    expect(portsOf(agent.pid)).toEqual([port]);
    expect(user.output()).not.toContain('closed');
    await ended(user);
    await client.release();
    expect(portsOf(agent.pid)).toEqual([]);
  });

  it.each(['--inspect-brk=0', '--inspect-wait=0'])('leaves a program alone that waits: %s', async (flag) => {
    const agent = await start(bin, [flag, file]);
    onTestFinished(agent.kill);
    await until(() => portsOf(agent.pid).length === 1);
    const error = await refusal(clientOf(agent.pid).collect('fast'));
    expect(error).toMatchObject({ code: 'refused', retryable: true });
    said('waiting for a debugger', describeError(error), { PID: agent.pid });
    await sleep(100);
    expect(agent.output()).toBe('');
    expect(lives(agent.pid)).toBe(true);
  });

  it('lets go of what was logged while the inspector was open', async () => {
    const program = `
      console.log('ready');
      process.on('SIGUSR2', () => {
        for (let i = 0; i < 200; i++) console.error(i, { big: new Array(50_000).fill(i) });
        console.log('logged');
      });
      setInterval(() => {}, 1000);`;
    const agent = await startNode(bin, [FREE, '-e', program]);
    const client = clientOf(agent.pid);
    const held = async () => ((await client.collect('full')).after?.usedBytes ?? 0) / MIB;
    const before = await held();
    process.kill(agent.pid, 'SIGUSR2');
    await until(() => agent.output().includes('logged'));
    expect(await held()).toBeLessThan(before + 10);
  });

  it('samples the heap until it is let go', async () => {
    const agent = await startNode(bin, [FREE, file, 'workers=1']);
    const client = clientOf(agent.pid, {
      profiler: (main, workers) => createHeapProfile(main, { workers, intervalBytes: 1024 }),
    });
    await client.startProfile?.();
    const collected = await client.collect('fast');
    expect(collected.workers).toBe(1);
    const profile = await client.profile?.();
    expect(profile?.file?.extension).toBe('.heapprofile');
    expect(profile?.sites.length).toBeGreaterThan(0);
    await client.release();
    expect(portsOf(agent.pid)).toEqual([]);
    expect(lives(agent.pid)).toBe(true);
  });

  it('lets a program end while it is held', async () => {
    const agent = await startNode(bin, [FREE, '-e', 'console.log("ready"); setTimeout(() => {}, 1500)']);
    await clientOf(agent.pid).facts();
    const startMs = performance.now();
    await until(() => agent.child.exitCode !== null);
    expect(agent.child.exitCode).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(1800);
  });

  it('counts the requests in work', async () => {
    const agent = await startNode(bin, [FREE, file, 'http']);
    const port = Number(agent.output().trim().split(' ')[2]);
    const client = clientOf(agent.pid);
    expect(await client.inFlight(), 'nothing is opened for that').toBeNull();
    await client.facts();
    expect(await client.inFlight()).toBe(0);
    const slow = [1, 2].map(() => get({ port, path: '/slow', agent: false }).on('error', () => {}));
    await until(async () => (await client.inFlight()) === 2);
    for (const request of slow) request.destroy();
    await until(async () => (await client.inFlight()) === 0);
  });
});

const [{ bin }] = NODES as [(typeof NODES)[number]];
const file = agentFile('cjs');

it('refuses a second agent on the same port, and sends it no signal', async () => {
  const flag = `--inspect-port=${PORT}`;
  const [first, second] = await Promise.all([startNode(bin, [flag, file]), startNode(bin, [flag, file])]);
  const [a, b] = [clientOf(first.pid), clientOf(second.pid)];
  await a.facts();
  expect(a.inspectorPort).toBe(PORT);
  const error = await refusal(b.facts());
  expect(error).toMatchObject({ code: 'refused', retryable: true });
  expect(error.message).toContain(`127.0.0.1:${PORT}`);
  await a.release();
  await b.facts();
  expect([portsOf(first.pid), portsOf(second.pid)]).toEqual([[], [PORT]]);
  await b.release();
  expect(portsOf(second.pid)).toEqual([]);
});

it('never opens an inspector when it may not', async () => {
  const agent = await startNode(bin, [FREE, file]);
  const error = await refusal(clientOf(agent.pid, { signals: NO_SIGNALS }).facts());
  expect(error.hint).toContain('--inspect');
  expect(portsOf(agent.pid)).toEqual([]);
});

it('refuses a stopped program, and one that has ended', async () => {
  const agent = await startNode(bin, [FREE, file]);
  const client = clientOf(agent.pid);
  process.kill(agent.pid, 'SIGSTOP');
  await until(() => !lives(agent.pid));
  const stopped = await refusal(client.facts());
  expect(stopped).toMatchObject({ code: 'refused', retryable: true });
  said('stopped', describeError(stopped), { PID: agent.pid });
  agent.kill();
  await until(() => agent.child.signalCode !== null);
  const ended = await refusal(client.facts());
  expect(ended).toMatchObject({ code: 'refused' });
  said('ended', describeError(ended), { PID: agent.pid });
});

it('does nothing to a process that is not the one that was meant', async () => {
  const [agent, other] = await Promise.all([
    startNode(bin, ['--inspect=0', file]),
    startNode(bin, [FREE, file]),
  ]);
  const its = createInspectorTarget({ procRoot: '/proc', pid: agent.pid });
  // what a foreign port forwarded to this address would look like
  const target = { ...its, innerPid: () => other.pid };
  const error = await refusal(clientOf(agent.pid, { target }).collect('fast'));
  expect(error).toMatchObject({ code: 'refused', retryable: false });
  const [port = 0] = portsOf(agent.pid);
  said("another process's inspector", describeError(error), { PID: agent.pid, PORT: port });
  const young = createInspectorTarget({ procRoot: '/proc', pid: other.pid, startTime: 1 });
  const ended = await refusal(clientOf(other.pid, { target: young }).facts());
  expect(ended).toMatchObject({ code: 'refused' });
  said('ended', describeError(ended), { PID: other.pid });
});

const OTHERS: [string, string[]][] = [
  ['sh', ['-c', 'echo ready; while :; do sleep 1; done']],
  ['sleep', ['30']],
  ['python3', ['-c', 'import time; print("ready", flush=True); time.sleep(30)']],
  ['bash', ['-c', 'exec -a node sleep 30']],
];
it.each(OTHERS)('sends no signal to what is not Node: %s %j', async (command, args) => {
  const other = await start(command, args);
  onTestFinished(other.kill);
  await sleep(300);
  const error = await refusal(clientOf(other.pid).facts());
  expect(error).toMatchObject({ code: 'refused', retryable: false });
  const program = basename(readlinkSync(`/proc/${other.pid}/exe`));
  said('not Node', describeError(error), { PID: other.pid, PROGRAM: program });
  await sleep(50);
  expect(lives(other.pid)).toBe(true);
});
