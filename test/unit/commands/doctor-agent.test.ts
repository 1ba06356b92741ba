import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Check } from '../../../src/commands/doctor/check.ts';
import { type Diagnosis, doctorCommand } from '../../../src/commands/doctor.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { probeRuntime } from '../../../src/runtimes/registry.ts';
import { compileGo, compileJava, GO, JAVAS, runs } from '../../support/compiled.ts';
import { goldenLines } from '../../support/golden.ts';
import { hookOf, listening, startHooked, temporary } from '../../support/hooked.ts';
import { agentFile, lives, NODES, portsOf, startNode } from '../../support/node-matrix.ts';
import { PYTHON, pythonAgent, REMOTE_PYTHONS } from '../../support/python.ts';
import { start, until } from '../../support/started.ts';

const said = goldenLines('doctor-agent');
const NODE = process.execPath;
const isRoot = process.geteuid?.() === 0;

/** What the doctor says of a process, by check. */
async function checksOf(pid: number, flags: Record<string, string> = {}): Promise<Record<string, Check>> {
  const { config } = await resolveConfig({
    // a machine that runs tests has other users, too
    flags: {
      agent: `pid:${pid}`,
      limit: '512Mi',
      adminListen: '127.0.0.1:0',
      gc: 'on-shared-host',
      ...flags,
    },
  });
  let text = '';
  await doctorCommand(config, { json: true, env: {} }, (more) => {
    text += more;
  });
  const { checks } = JSON.parse(text) as Diagnosis;
  for (const { status, hint } of checks) expect(hint === '').toBe(status === 'pass');
  return Object.fromEntries(checks.map((check) => [check.check, check]));
}

async function takePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await until(() => server.listening);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe.runIf(process.platform === 'linux')('doctor, of a Node agent', () => {
  it('says that its inspector is not opened where strangers could reach it, and that a Job is not ended', async () => {
    const agent = await node([]);
    const others = { code: 'node_network', message: "the pod has the node's network (eth0)" } as const;
    const options = { procRoot: '/proc', mayOpen: true, others };
    await expect(probeRuntime({ pid: agent.pid, runtime: 'node' }, options)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(others.message),
      hint: expect.stringContaining('--gc on-shared-host'),
    });
    const checks = await checksOf(agent.pid, { podRestartPolicy: 'OnFailure' });
    expect(checks['graceful recycle']).toMatchObject({
      status: 'fail',
      code: 'not_restarted',
    });
  });

  /** Its inspector may open anywhere: the usual port is everybody's. */
  const node = (flags: string[], options: Parameters<typeof startNode>[2] = {}) =>
    startNode(NODE, ['--inspect-port=0', ...flags, agentFile('cjs')], options);

  it('sees that SIGUSR1 would open its inspector, and does not send it', async () => {
    const agent = await node([]);
    const checks = await checksOf(agent.pid);
    expect(checks['garbage collection']).toMatchObject({
      status: 'pass',
      code: 'sigusr1',
    });
    expect(checks['growth profile']).toMatchObject({
      status: 'pass',
      code: 'ok',
    });
    expect(checks['graceful recycle']).toMatchObject({
      status: 'warn',
      code: 'asked_later',
    });
    await sleep(200); // an inspector opens within 25 ms of the signal
    expect(portsOf(agent.pid)).toEqual([]);
    expect(lives(agent.pid)).toBe(true);
  });

  it('sees the hook, and whether a guardian listens to it', async () => {
    const hooks = await listening(temporary());
    const agent = await startHooked(
      hooks.directory ?? '',
      "setInterval(() => {}, 1000); console.log('runs');",
    );
    await hookOf(hooks, agent.pid);
    const checks = await checksOf(agent.pid);
    expect(checks['garbage collection']).toMatchObject({ status: 'pass', code: 'hook' });
    expect(checks['inspector exposure']).toBeUndefined();
    await hooks.close();
    const later = async () => (await checksOf(agent.pid))['hook'];
    await expect.poll(later).toMatchObject({ status: 'warn', code: 'hook_not_connected' });
    const other = await node([]);
    expect((await checksOf(other.pid))['hook']).toMatchObject({ status: 'warn', code: 'hook_not_loaded' });
    expect((await checksOf(other.pid, { hook: 'off' }))['hook']).toBeUndefined();
  });

  it.skipIf(process.getuid?.() !== 0)('says that the agent is another user than its guardian', async () => {
    const hooks = await listening(temporary());
    const agent = await startHooked(
      hooks.directory ?? '',
      "process.setuid(65534); setInterval(() => {}, 1000); console.log('runs');",
    );
    hooks.follow({ main: [agent.pid], pids: [agent.pid] });
    await expect
      .poll(async () => (await checksOf(agent.pid))['hook'])
      .toMatchObject({
        ...{ status: 'warn', code: 'hook_not_connected' },
        detail: 'the agent has the hook, and is uid 65534: it may not connect to its guardian, uid 0',
      });
  });

  it('finds an inspector that is open', async () => {
    const agent = await node(['--inspect=127.0.0.1:0']);
    const [port] = portsOf(agent.pid);
    expect((await checksOf(agent.pid, { gc: 'inspect-only' }))['garbage collection']).toMatchObject({
      status: 'pass',
      code: 'inspector_open',
      detail: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  it('says what to do about one that has only just started: nothing', async () => {
    const agent = await node([], { settle: false });
    expect((await checksOf(agent.pid))['garbage collection']).toMatchObject({
      status: 'warn',
      code: 'refused',
    });
  });

  const SWITCHED_OFF = [
    ['--disable-sigusr1', 22],
    ['--permission', 24],
  ] as const;
  for (const { bin, major, version } of NODES)
    for (const [flag, since] of SWITCHED_OFF)
      it.skipIf(major < since)(`names ${flag} of ${version} (needs Node ${since})`, async () => {
        const reading = flag === '--permission' ? ['--allow-fs-read=*', '--allow-worker'] : [];
        const agent = await startNode(bin, [flag, ...reading, agentFile('cjs')]);
        expect((await checksOf(agent.pid))['garbage collection']).toMatchObject({
          status: 'fail',
          code: 'refused',
          hint: expect.stringContaining(flag),
        });
      });

  it('names the port that somebody else has', async () => {
    const port = await takePort();
    const agent = await node([`--inspect-port=${port}`]);
    expect((await checksOf(agent.pid))['garbage collection']).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining(`127.0.0.1:${port}`),
      hint: expect.stringContaining('--inspect-port'),
    });
  });

  it.skipIf(!isRoot || !runs('unshare', '-n', 'true'))(
    'sees that it is in another network (needs root)',
    async () => {
      const agent = await start('unshare', ['-n', NODE, agentFile('cjs')], { awaitOutput: true });
      onTestFinished(agent.kill);
      const check = (await checksOf(agent.pid))['garbage collection'];
      expect(check).toMatchObject({ status: 'fail', code: 'refused' });
      said('another network', `${check?.detail}; ${check?.hint}`, { PID: agent.pid });
    },
  );

  it.skipIf(!isRoot)('names the uid and gid that are needed (needs root)', async () => {
    const agent = await node([]);
    process.setegid?.(65534);
    process.seteuid?.(65534);
    const checks = await checksOf(agent.pid).finally(() => {
      process.seteuid?.(0);
      process.setegid?.(0);
    });
    const check = checks['garbage collection'];
    expect(check).toMatchObject({ status: 'fail', code: 'refused' });
    said('another user', `${check?.detail}; ${check?.hint}`, { PID: agent.pid });
    expect(checks['graceful recycle']).toMatchObject({ status: 'warn', code: 'cannot_be_asked' });
  });

  it('says what is switched off, and by what', async () => {
    const agent = await node([]);
    const off = await checksOf(agent.pid, { gc: 'off', profile: 'off', recycle: 'off' });
    for (const check of ['garbage collection', 'growth profile', 'graceful recycle'])
      expect(off[check]).toMatchObject({ status: 'fail', code: 'switched_off' });
    const on = await checksOf(agent.pid, { gc: 'inspect-only', recycle: 'on' });
    expect(on['garbage collection']).toMatchObject({
      status: 'fail',
      code: 'refused',
      hint: expect.stringContaining('--gc auto'),
    });
    expect(on['graceful recycle']).toMatchObject({ status: 'pass' });
  });

  it('says what else needs the inspector that --gc off does not open', async () => {
    const agent = await node([]);
    const checks = await checksOf(agent.pid, { gc: 'off' });
    expect(checks['growth profile']).toMatchObject({ status: 'fail', code: 'refused' });
    expect(checks['graceful recycle']).toMatchObject({ status: 'warn', code: 'cannot_be_asked' });
  });

  it.each([
    ['256Mi', [], 'fail', /--max-old-space-size=192 /],
    ['1Gi', [], 'pass', /^$/],
    ['256Mi', ['--max-old-space-size=192'], 'pass', /^$/],
    ['1Gi', ['--max-old-space-size=4096'], 'fail', /--max-old-space-size=768 /],
  ])('says whether the heap limit fits into %s with %j: %s', async (limit, flags, status, hint) => {
    const agent = await node(flags);
    const check = (await checksOf(agent.pid, { limit }))['heap limit'];
    expect(check?.status).toBe(status);
    expect(check?.hint).toMatch(hint);
  });
});

describe.runIf(process.platform === 'linux')('doctor, of other agents', () => {
  it.skipIf(!PYTHON)('of Python before 3.14: the hook, where it is not there', async () => {
    const without = await pythonAgent(PYTHON ?? '', ['none', 'sleep']);
    onTestFinished(without.kill);
    const checks = await checksOf(without.agentPid);
    expect(checks['garbage collection']).toMatchObject({
      status: 'fail',
      code: 'refused',
      hint: expect.stringContaining('spillway_hook'),
    });
    expect(checks['graceful recycle']).toMatchObject({ status: 'warn', code: 'no_sigterm_handler' });
    expect(checks['heap limit']).toBe(undefined);

    const hooked = await pythonAgent(PYTHON ?? '', ['none', 'sleep'], { hook: true });
    onTestFinished(hooked.kill);
    expect((await checksOf(hooked.agentPid))['garbage collection']).toMatchObject({
      status: 'pass',
      code: 'hook',
    });
    expect(await hooked.works()).toBe(true);
  });

  it.skipIf(REMOTE_PYTHONS.length === 0)(
    'of Python from 3.14: remote debugging (needs TEST_PYTHON314)',
    async () => {
      const [python = ''] = REMOTE_PYTHONS;
      // as `.ci/python3.14` unpacks it, its executable is the loader: what it runs is told here
      const lookInto = (pid: number) =>
        probeRuntime({ pid, runtime: 'python' }, { procRoot: '/proc', mayOpen: true });
      const agent = await pythonAgent(python, ['none', 'sleep']);
      onTestFinished(agent.kill);
      expect(await lookInto(agent.agentPid)).toMatchObject({ code: 'remote_debugging' });
      const off = await pythonAgent(python, ['none', 'sleep'], { env: { PYTHON_DISABLE_REMOTE_DEBUG: '1' } });
      onTestFinished(off.kill);
      await expect(lookInto(off.agentPid)).rejects.toMatchObject({
        code: 'refused',
        hint: expect.stringContaining('PYTHON_DISABLE_REMOTE_DEBUG'),
      });
      expect([await agent.works(), await off.works()]).toEqual([true, true]);
    },
  );

  it('of a shell: that nothing can be asked of it', async () => {
    const shell = await start('sh', ['-c', 'while :; do sleep 1; done']);
    onTestFinished(shell.kill);
    const checks = await checksOf(shell.pid);
    expect(checks['garbage collection']).toMatchObject({ status: 'fail' });
    expect(checks['growth profile']).toMatchObject({ status: 'fail' });
    expect(lives(shell.pid)).toBe(true);
  });

  describe.skipIf(JAVAS.length === 0 || !runs('javac', '-version'))('of a JVM (needs java and javac)', () => {
    let classes: ReturnType<typeof compileJava>;
    beforeAll(() => {
      classes = compileJava();
    });
    afterAll(() => classes.remove());

    it.each([
      [[], 'pass', /^$/],
      [['-XX:+DisableAttachMechanism'], 'fail', /DisableAttachMechanism/],
      [['-XX:+DisableExplicitGC'], 'fail', /DisableExplicitGC/],
    ])('%j: %s', async (flags, status, hint) => {
      const [java = 'java'] = JAVAS;
      const args = [...flags, '-Xmx64m', '-cp', classes.classPath, 'JvmAgent', '1', '1'];
      const agent = await start(java, args, { stdio: ['pipe', 'pipe', 'pipe'] });
      onTestFinished(agent.kill);
      await until(() => agent.output().includes('ready'));
      const check = (await checksOf(agent.pid))['garbage collection'];
      expect(check?.status).toBe(status);
      expect(check?.hint).toMatch(hint);
      expect(agent.output()).not.toContain('Full thread dump');
    });
  });

  describe.skipIf(!GO)('of a Go program (needs a Go compiler)', () => {
    let compiled: ReturnType<typeof compileGo>;
    beforeAll(() => {
      compiled = compileGo(GO ?? 'go');
    }, 180_000);
    afterAll(() => compiled.remove());

    it.each([
      ['pprof', 'pass', /^$/],
      ['plain', 'fail', /net\/http\/pprof/],
    ])('that serves %s: %s', async (serves, status, hint) => {
      const agent = await start(compiled.program, [serves], { stdio: ['pipe', 'pipe', 'ignore'] });
      onTestFinished(agent.kill);
      await until(() => agent.output().includes('ready'));
      const check = (await checksOf(agent.pid))['garbage collection'];
      expect(check?.status).toBe(status);
      expect(check?.hint).toMatch(hint);
    });
  });
});
