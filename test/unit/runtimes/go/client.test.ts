import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeError, type SpillwayError } from '../../../../src/core/lib/errors.ts';
import { createGoClient, type GoReachOptions } from '../../../../src/runtimes/go/client.ts';
import { listeningSockets } from '../../../../src/sources/listening-ports.ts';
import { isAlive, MIB, rssMiB } from '../../../support/cli.ts';
import { compileGo, GO, runs } from '../../../support/compiled.ts';
import { goldenLines } from '../../../support/golden.ts';
import { type Started, start, until } from '../../../support/started.ts';

const said = goldenLines('go-client');
const canUnshare = process.geteuid?.() === 0 && runs('unshare', '-n', 'true');

let compiled: ReturnType<typeof compileGo>;
const started: Started[] = [];

describe.skipIf(!GO)('Go reach (needs a Go compiler)', () => {
  beforeAll(() => {
    compiled = compileGo(GO ?? 'go');
  }, 180_000);
  afterAll(() => compiled.remove());
  afterEach(() => {
    for (const { kill } of started.splice(0)) kill();
  });

  /** Starts the agent with 30 MB held and 300 MB let go of: Go collects them only when the heap has grown to twice that. */
  async function startAgent(
    serves: readonly string[],
    prefix: readonly string[] = [],
    env = {},
  ): Promise<Started> {
    const [command = '', ...args] = [...prefix, compiled.program, ...serves];
    const agent = await start(command, args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'], ...env },
    });
    started.push(agent);
    await until(() => agent.output().includes('ready'));
    return agent;
  }

  const clientOf = (pid: number, options: Partial<GoReachOptions> = {}) =>
    createGoClient({ procRoot: '/proc', pid, listening: listeningSockets, ...options });

  const refusal = (call: Promise<unknown>): Promise<SpillwayError> =>
    call.then(
      () => {
        throw new Error('it was not refused');
      },
      (error: SpillwayError) => error,
    );

  async function expectUnharmed(agent: Started): Promise<void> {
    agent.child.stdin?.write('echo\n');
    await until(() => agent.output().includes('did echo'));
    expect(isAlive(agent.pid)).toBe(true);
  }

  it.each([
    {},
    { GOGC: 'off' },
  ])('collects through pprof on any port of the agent, and memory comes back: %j', async (env) => {
    const agent = await startAgent(['plain', 'silent', 'pprof'], [], env);
    const client = clientOf(agent.pid);
    const rssBefore = rssMiB(agent.pid);
    expect((await client.facts())?.usedBytes).toBeGreaterThan(300 * MIB);
    const done = await client.collect('fast');
    expect(done.before?.usedBytes).toBeGreaterThan(300 * MIB);
    expect(done.after?.usedBytes).toBeGreaterThan(30 * MIB);
    expect(done.after?.usedBytes).toBeLessThan(40 * MIB);
    expect(done.stallMs).toBeGreaterThan(0);
    expect(done.stallMs).toBeLessThan(50);
    await until(() => rssMiB(agent.pid) < rssBefore - 200);
    expect(await client.inFlight?.()).toBeNull();
    await expectUnharmed(agent);
  });

  it('names the function that grew, not the library it called', async () => {
    const agent = await startAgent(['pprof']);
    const client = clientOf(agent.pid);
    const first = await client.profile();
    expect(first.sites[0]).toMatchObject({ name: 'main.hold', growthBytes: 0 });
    // 30 MiB in blocks of 64 KiB, sampled at one in 512 KiB: some 60 samples, so give or take 13 %
    expect(first.sites[0]?.bytes).toBeGreaterThan(15 * MIB);
    expect(first.sites[0]?.bytes).toBeLessThan(50 * MIB);
    agent.child.stdin?.write('grow 40\n');
    await until(() => agent.output().includes('did grow'));
    const second = await client.profile();
    expect(second.sites[0]).toMatchObject({ name: 'main.remember', kind: 'function', package: null });
    expect(second.sites[0]?.file).toMatch(/go-agent\/main\.go$/);
    expect(second.sites[0]?.line).toBeGreaterThan(1);
    expect(second.sites[0]?.growthBytes).toBeGreaterThan(30 * MIB);
    expect(second.sampledMs).toBeGreaterThan(first.sampledMs ?? Number.POSITIVE_INFINITY);
    expect(second.file?.extension).toBe('.pb.gz');
    expect(gunzipSync(second.file?.content as Uint8Array).toString('latin1')).toContain('main.remember');
  });

  it.each([
    ['nothing', []],
    ['HTTP without pprof', ['plain']],
    ['a protocol that says nothing', ['silent']],
  ])('leaves an agent alone that serves %s', async (_, serves) => {
    const agent = await startAgent(serves);
    const client = clientOf(agent.pid, { timeouts: { probeMs: 300 } });
    for (let i = 0; i < 2; i++) await refusal(client.collect('fast'));
    const error = await refusal(client.collect('fast'));
    expect(error).toMatchObject({ code: 'refused', retryable: false });
    expect(error.hint).toContain('net/http/pprof');
    const startMs = performance.now();
    await refusal(client.facts());
    expect(performance.now() - startMs).toBeLessThan(200); // it is remembered
    await expectUnharmed(agent);
  });

  it('waits for a slow agent no longer than its limit', async () => {
    const agent = await startAgent(['slow']);
    const startMs = performance.now();
    expect(await refusal(clientOf(agent.pid).facts())).toMatchObject({ code: 'timeout', retryable: true });
    expect(performance.now() - startMs).toBeLessThan(1000);
    await expectUnharmed(agent);
    const patient = clientOf(agent.pid, { timeouts: { probeMs: 5000, readMs: 5000 } });
    expect((await patient.facts())?.usedBytes).toBeGreaterThan(300 * MIB);
  });

  it('asks only the agent', async () => {
    const asked: string[] = [];
    const other: Server = createServer((socket) => {
      asked.push('other');
      socket.destroy();
    }).listen(0, '127.0.0.1');
    try {
      const agent = await startAgent([]);
      await refusal(clientOf(agent.pid).facts());
      await sleep(50);
      expect(asked).toEqual([]);
    } finally {
      other.close();
    }
  });

  it('notices that the agent has ended, and that its pid is another process', async () => {
    const agent = await startAgent(['pprof']);
    const ended = await refusal(clientOf(agent.pid, { startTime: 1 }).facts());
    expect(ended).toMatchObject({ code: 'refused' });
    said('ended', describeError(ended), { PID: agent.pid });
    const client = clientOf(agent.pid);
    await client.facts();
    agent.kill();
    await until(() => !isAlive(agent.pid));
    expect(await refusal(client.facts())).toMatchObject({ code: 'refused' });
  });

  it.skipIf(!canUnshare)('refuses across network namespaces (needs root, unshare)', async () => {
    const inside = 'ip link set lo up 2>/dev/null; exec "$@"';
    const agent = await startAgent(['pprof'], ['unshare', '-n', 'sh', '-c', inside, 'sh']);
    expect((await refusal(clientOf(agent.pid).facts())).hint).toBe('run the guardian in the same pod');
    await expectUnharmed(agent);
  });
});
