import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { describeError, SpillwayError } from '../../../../src/core/lib/errors.ts';
import { goldenLines } from '../../../support/golden.ts';
import { PYTHON, type PythonAgent, pythonAgent, REMOTE_PYTHONS } from '../../../support/python.ts';

const said = goldenLines('python-client');
const MB = 1_000_000;
let agent: PythonAgent | undefined;
afterEach(() => {
  agent?.kill();
  agent = undefined;
});

/** What a forked agent shares with its parent is not collected where it is much. */
const megabytes = (work: string) => (work === 'fork' ? '40' : '100');

function leftovers(): string[] {
  return ['/tmp', '/dev/shm'].flatMap((path) =>
    readdirSync(path).filter((name) => name.startsWith('.spillway-')),
  );
}

describe.skipIf(REMOTE_PYTHONS.length === 0)(
  'remote debugging (needs TEST_PYTHON314, from .ci/python3.14)',
  () => {
    describe.each(REMOTE_PYTHONS)('of %s', (python) => {
      it.each([
        'sleep',
        'busy',
        'asyncio',
        'threads',
        'fork',
        'prefork',
        'interpreter',
      ])('gives the garbage of an agent back: %s', async (work) => {
        agent = await pythonAgent(python, ['cycles', work, megabytes(work)]);
        expect(agent.rssBytes()).toBeGreaterThan(Number(megabytes(work)) * MB);
        const collection = await agent.client.collect();
        expect(collection).toMatchObject({ trimmed: true, way: 'full', workers: 0 });
        expect(collection.unreachable).toBeGreaterThanOrEqual(50 * Number(megabytes(work)));
        expect(agent.rssBytes()).toBeLessThan(40 * MB);
        expect(collection.stallMs).toBeLessThan(2000);
        if (work === 'busy') expect(agent.child.exitCode).toBe(null);
        else expect(await agent.works()).toBe(true);
      });

      it('is given no order before the moment for it', async () => {
        let may = false;
        agent = await pythonAgent(python, ['cycles', 'sleep'], { mayOrder: () => may });
        await expect(agent.client.collect()).rejects.toMatchObject({ code: 'deferred' });
        expect(agent.rssBytes()).toBeGreaterThan(100 * MB);
        may = true;
        expect((await agent.client.collect()).unreachable).toBeGreaterThanOrEqual(5000);
      });

      it('does not collect what is shared with other processes: its pages would be copied', async () => {
        agent = await pythonAgent(python, ['turns', 'preload']);
        await expect(agent.client.collect()).rejects.toMatchObject({
          code: 'refused',
          hint: expect.stringContaining('gc.freeze()'),
        });
        expect(await agent.works()).toBe(true);
      });

      it('frees nothing that is held, and names its class and what grew', async () => {
        agent = await pythonAgent(python, ['held', 'grow']);
        const first = await agent.client.profile();
        expect(first.sites[0]).toMatchObject({ name: 'str', kind: 'class', growthBytes: 0 });
        expect(first.sites[0]?.bytes).toBeGreaterThan(90 * MB);
        await sleep(300);
        const { sites } = await agent.client.profile();
        expect(sites[0]?.name).toBe('__main__.Record');
        expect(sites[0]?.growthBytes).toBeGreaterThan(0);
        expect((await agent.client.collect()).unreachable).toBeLessThan(1000);
        expect(agent.rssBytes()).toBeGreaterThan(100 * MB);
        expect(await agent.works()).toBe(true);
      });

      it('names the lines where tracemalloc runs', async () => {
        agent = await pythonAgent(python, ['held', 'sleep', '20'], { env: { PYTHONTRACEMALLOC: '1' } });
        const { sites } = await agent.client.profile();
        expect(sites[0]).toMatchObject({
          kind: 'function',
          file: expect.stringMatching(/python-agent\.py$/),
        });
        expect(sites[0]?.line).toBeGreaterThan(20);
      });

      it('takes the order back from an agent in a C call', async () => {
        agent = await pythonAgent(python, ['cycles', 'pause'], { takeMs: 200 });
        await sleep(100); // it is in that call by now
        await expect(agent.client.collect()).rejects.toMatchObject({ code: 'timeout', retryable: true });
        expect(await agent.works()).toBe(true); // its call has ended
        expect(agent.rssBytes()).toBeGreaterThan(100 * MB);
        expect(leftovers()).toEqual([]);
        expect(await agent.client.collect()).toMatchObject({ trimmed: true });
      });

      it('leaves nothing behind of an agent that ends meanwhile', async () => {
        agent = await pythonAgent(python, ['none', 'ccall'], { takeMs: 300 });
        await sleep(100); // it is in that call by now
        const collection = expect(agent.client.collect()).rejects.toMatchObject({ code: 'refused' });
        await sleep(50);
        agent.kill();
        await collection;
        expect(leftovers()).toEqual([]);
      });

      it('takes the order back when released', async () => {
        agent = await pythonAgent(python, ['none', 'ccall']);
        await sleep(100); // it is in that call by now
        const collection = expect(agent.client.collect()).rejects.toMatchObject({ code: 'timeout' });
        await sleep(50);
        const start = performance.now();
        await agent.client.release();
        await collection;
        expect(performance.now() - start).toBeLessThan(500);
        expect(leftovers()).toEqual([]);
      });

      it('is refused where the environment switches it off', async () => {
        const env = { PYTHON_DISABLE_REMOTE_DEBUG: '1' };
        agent = await pythonAgent(python, ['none', 'sleep'], { env });
        await expect(agent.client.collect()).rejects.toMatchObject({
          code: 'refused',
          hint: expect.stringContaining('PYTHON_DISABLE_REMOTE_DEBUG'),
        });
        expect(await agent.works()).toBe(true);
      });

      it.each([
        ['fifo', 'unexpected'],
        ['flood', 'refused'],
      ])('is refused at once where the agent leaves something else than an answer: %s', async (work, code) => {
        agent = await pythonAgent(python, ['none', work]);
        const startMs = performance.now();
        const error = await agent.client.collect().catch((thrown) => thrown);
        expect(SpillwayError.from(error).code).toBe(code);
        said(`a ${work} for an answer`, describeError(error), { FILE: /\/proc\/self\/fd\/\S+/g });
        expect(performance.now() - startMs).toBeLessThan(2000);
        expect(await agent.works()).toBe(true);
        expect(leftovers()).toEqual([]);
      });

      it('does not swallow what the signal handlers of the agent raise', async () => {
        agent = await pythonAgent(python, ['none', 'alarm']);
        const raised = () => (agent?.output().split('late 14').length ?? 1) - 1;
        for (let i = 0; i < 20 || (raised() <= 10 && i < 200); i++) {
          await agent.client.collect().catch((error) => expect(error).toMatchObject({ retryable: true }));
          await sleep(15);
        }
        expect(await agent.works()).toBe(true);
        expect(raised()).toBeGreaterThan(10);
      });

      it.skipIf(process.getuid?.() !== 0)('reaches an agent of another user, as root', async () => {
        agent = await pythonAgent(python, ['cycles', 'sleep'], { uid: 65534, gid: 65534 });
        expect(await agent.client.collect()).toMatchObject({ trimmed: true });
        expect(leftovers()).toEqual([]);
      });

      it.skipIf(process.getuid?.() !== 0)('finds that the hook serves its own user only', async () => {
        agent = await pythonAgent(python, ['none', 'sleep'], { hook: true, uid: 65534, gid: 65534 });
        const error = await agent.client.collect().catch((thrown) => thrown);
        expect(error).toMatchObject({ code: 'refused' });
        said('the hook of another user', describeError(error));
        expect(await agent.works()).toBe(true);
      });

      it.each([
        ['busy', 100],
        ['threads', 5],
      ])('survives order after order: %s', async (work, orders) => {
        agent = await pythonAgent(python, ['none', work]);
        for (let i = 0; i < orders; i++) await agent.client.collect();
        expect(agent.child.exitCode).toBe(null);
      });
    });
  },
);

describe.skipIf(PYTHON === null)('the hook (needs python3)', () => {
  const python = PYTHON ?? '';

  it.each([
    'sleep',
    'ccall',
    'busy',
    'asyncio',
    'threads',
    'fork',
    'prefork',
  ])('gives the garbage of an agent back: %s', async (work) => {
    agent = await pythonAgent(python, ['cycles', work, megabytes(work)], { hook: true });
    const collection = await agent.client.collect();
    expect(collection.unreachable).toBeGreaterThanOrEqual(50 * Number(megabytes(work)));
    expect(agent.rssBytes()).toBeLessThan(40 * MB);
    if (work === 'ccall' || work === 'busy') expect(agent.child.exitCode).toBe(null);
    else expect(await agent.works()).toBe(true);
  });

  it('serves again and again an agent that has no file descriptor left', async () => {
    agent = await pythonAgent(python, ['cycles', 'descriptors'], { hook: true });
    for (let i = 0; i < 3; i++) await agent.client.collect();
    expect(agent.rssBytes()).toBeLessThan(40 * MB);
    expect(await agent.works()).toBe(true);
  });

  it('does not collect what is shared with other processes: its pages would be copied', async () => {
    agent = await pythonAgent(python, ['turns', 'preload'], { hook: true });
    const error = await agent.client.collect().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'refused' });
    said('shared pages', describeError(error), { SIZE: /[\d.]+ MiB/g });
    expect(await agent.works()).toBe(true);
    agent.kill();
    agent = await pythonAgent(python, ['turns', 'frozen'], { hook: true });
    expect((await agent.client.collect()).stallMs).toBeLessThan(500);
  });

  it('names what is held', async () => {
    agent = await pythonAgent(python, ['held', 'sleep'], { hook: true });
    const { sites } = await agent.client.profile();
    expect(sites[0]).toMatchObject({ name: 'str', kind: 'class', file: null });
    expect(sites[0]?.bytes).toBeGreaterThan(90 * MB);
  });

  it('neither keeps a program alive nor prints', () => {
    const run = (code: string) =>
      execFileSync(python, ['-W', 'error', '-c', code], {
        cwd: `${import.meta.dirname}/../../../../src/python`,
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: 10_000,
      });
    expect(run('import spillway_hook')).toBe('');
    expect(run('import socket; del socket.AF_UNIX; import spillway_hook; print(1)')).toBe('1\n');
  });

  it('is what a refusal asks for, where it is missing', async ({ skip }) => {
    const old = execFileSync(python, ['-c', 'import sys; print(sys.version_info < (3, 14))'], {
      encoding: 'utf8',
    });
    skip(old.trim() !== 'True', 'this Python needs no hook');
    agent = await pythonAgent(python, ['none', 'sleep']);
    await expect(agent.client.collect()).rejects.toMatchObject({
      code: 'refused',
      hint: expect.stringContaining('import spillway_hook'),
    });
    expect(await agent.works()).toBe(true);
  });
});

describe('a process that is gone', () => {
  it.skipIf(PYTHON === null)('is refused', async () => {
    agent = await pythonAgent(PYTHON ?? '', ['none', 'sleep']);
    agent.kill();
    await new Promise((resolve) => agent?.child.once('exit', resolve));
    await expect(agent.client.collect()).rejects.toMatchObject({ code: 'refused' });
    await agent.client.release();
  });
});
