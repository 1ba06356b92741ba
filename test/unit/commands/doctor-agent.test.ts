import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Power } from '../../../src/commands/doctor/power.ts';
import { lookForWayIn } from '../../../src/commands/doctor/way-in.ts';
import { type Diagnosis, doctorCommand } from '../../../src/commands/doctor.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { compileGo, compileJava, GO, JAVAS, runs } from '../../support/compiled.ts';
import { agentFile, lives, NODES, portsOf, startNode } from '../../support/node-matrix.ts';
import { PYTHON, pythonAgent, REMOTE_PYTHONS } from '../../support/python.ts';
import { start, until } from '../../support/started.ts';

const NODE = process.execPath;
const isRoot = process.geteuid?.() === 0;

/** What the doctor says of a process, by power. */
async function powersOf(pid: number, flags: Record<string, string> = {}): Promise<Record<string, Power>> {
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
  const { powers } = JSON.parse(text) as Diagnosis;
  for (const { has, mend } of powers) expect(mend === '').toBe(has === 'yes');
  return Object.fromEntries(powers.map((power) => [power.power, power]));
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
    const others = "the pod has the node's network (eth0)";
    expect(await lookForWayIn({ pid: agent.pid, runtime: 'node' }, { mayOpen: true, others })).toMatchObject({
      has: 'no',
      detail: `its inspector is not opened: ${others}`,
      mend: expect.stringContaining('--gc on-shared-host'),
    });
    const powers = await powersOf(agent.pid, { podRestartPolicy: 'OnFailure' });
    expect(powers['end it in order']).toMatchObject({
      has: 'no',
      detail: expect.stringContaining('restartPolicy OnFailure'),
    });
  });

  /** Its inspector may open anywhere: the usual port is everybody's. */
  const node = (flags: string[], options: Parameters<typeof startNode>[2] = {}) =>
    startNode(NODE, ['--inspect-port=0', ...flags, agentFile('cjs')], options);

  it('sees that SIGUSR1 would open its inspector, and does not send it', async () => {
    const agent = await node([]);
    const powers = await powersOf(agent.pid);
    expect(powers['collect garbage']).toMatchObject({ has: 'yes', detail: expect.stringMatching(/SIGUSR1/) });
    expect(powers['name what grows']).toMatchObject({
      has: 'yes',
      detail: expect.stringMatching(/function/),
    });
    expect(powers['end it in order']).toMatchObject({
      has: 'partly',
      detail: expect.stringMatching(/asked of it at run time/),
    });
    await sleep(200); // an inspector opens within 25 ms of the signal
    expect(portsOf(agent.pid)).toEqual([]);
    expect(lives(agent.pid)).toBe(true);
  });

  it('finds an inspector that is open', async () => {
    const agent = await node(['--inspect=127.0.0.1:0']);
    const [port] = portsOf(agent.pid);
    const detail = `open inspector on 127.0.0.1:${port}`;
    expect((await powersOf(agent.pid, { gc: 'inspect-only' }))['collect garbage']).toMatchObject({
      has: 'yes',
      detail,
    });
  });

  it('says what to do about one that has only just started: nothing', async () => {
    const agent = await node([], { settle: false });
    expect((await powersOf(agent.pid))['collect garbage']).toMatchObject({
      has: 'partly',
      detail: expect.stringMatching(/just started/),
      mend: 'ask again in a moment',
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
        expect((await powersOf(agent.pid))['collect garbage']).toMatchObject({
          has: 'no',
          detail: expect.stringMatching(/does not catch SIGUSR1/),
          mend: expect.stringContaining(flag),
        });
      });

  it('names the port that somebody else has', async () => {
    const port = await takePort();
    const agent = await node([`--inspect-port=${port}`]);
    expect((await powersOf(agent.pid))['collect garbage']).toMatchObject({
      has: 'no',
      detail: expect.stringContaining(`127.0.0.1:${port}`),
      mend: expect.stringContaining('--inspect-port'),
    });
  });

  it.skipIf(!isRoot || !runs('unshare', '-n', 'true'))(
    'sees that it is in another network (needs root)',
    async () => {
      const agent = await start('unshare', ['-n', NODE, agentFile('cjs')], { awaitOutput: true });
      onTestFinished(agent.kill);
      expect((await powersOf(agent.pid))['collect garbage']).toMatchObject({
        has: 'no',
        detail: expect.stringMatching(/another network namespace/),
        mend: expect.stringMatching(/same pod/),
      });
    },
  );

  it.skipIf(!isRoot)('names the uid and gid that are needed (needs root)', async () => {
    const agent = await node([]);
    process.setegid?.(65534);
    process.seteuid?.(65534);
    const powers = await powersOf(agent.pid).finally(() => {
      process.seteuid?.(0);
      process.setegid?.(0);
    });
    expect(powers['collect garbage']).toMatchObject({
      has: 'no',
      mend: expect.stringMatching(/uid and gid/),
    });
    expect(powers['end it in order']).toMatchObject({ has: 'no' });
  });

  it('says what is switched off, and by what', async () => {
    const agent = await node([]);
    const off = await powersOf(agent.pid, { gc: 'off', profile: 'off', recycle: 'off' });
    for (const power of ['collect garbage', 'name what grows', 'end it in order'])
      expect(off[power]).toMatchObject({ has: 'no', detail: 'switched off' });
    const on = await powersOf(agent.pid, { gc: 'inspect-only', recycle: 'on' });
    expect(on['collect garbage']).toMatchObject({ has: 'no', mend: expect.stringContaining('--gc auto') });
    expect(on['end it in order']).toMatchObject({ has: 'yes' });
  });

  it('says what else needs the inspector that --gc off does not open', async () => {
    const agent = await node([]);
    const powers = await powersOf(agent.pid, { gc: 'off' });
    const detail = expect.stringContaining('no open inspector');
    expect(powers['name what grows']).toMatchObject({ has: 'no', detail });
    expect(powers['end it in order']).toMatchObject({
      has: 'no',
      detail: expect.stringContaining('cannot be asked of it'),
    });
  });

  it.each([
    ['256Mi', [], 'no', /--max-old-space-size=192 /],
    ['1Gi', [], 'yes', /^$/],
    ['256Mi', ['--max-old-space-size=192'], 'yes', /^$/],
    ['1Gi', ['--max-old-space-size=4096'], 'no', /--max-old-space-size=768 /],
  ])('says whether the heap limit fits into %s with %j: %s', async (limit, flags, has, mend) => {
    const agent = await node(flags);
    const power = (await powersOf(agent.pid, { limit }))['heap limit fits'];
    expect(power?.has).toBe(has);
    expect(power?.mend).toMatch(mend);
  });
});

describe.runIf(process.platform === 'linux')('doctor, of other agents', () => {
  it.skipIf(!PYTHON)('of Python before 3.14: the hook, where it is not there', async () => {
    const without = await pythonAgent(PYTHON ?? '', ['none', 'sleep']);
    onTestFinished(without.kill);
    const powers = await powersOf(without.agentPid);
    expect(powers['collect garbage']).toMatchObject({
      has: 'no',
      mend: expect.stringContaining('import spillway_hook'),
    });
    expect(powers['end it in order']).toMatchObject({ has: 'no', mend: expect.stringMatching(/SIGTERM/) });
    expect(powers['heap limit fits']).toBe(undefined);

    const hooked = await pythonAgent(PYTHON ?? '', ['none', 'sleep'], { hook: true });
    onTestFinished(hooked.kill);
    expect((await powersOf(hooked.agentPid))['collect garbage']).toMatchObject({
      has: 'yes',
      detail: 'spillway_hook',
    });
    expect(await hooked.works()).toBe(true);
  });

  it.skipIf(REMOTE_PYTHONS.length === 0)(
    'of Python from 3.14: remote debugging (needs TEST_PYTHON314)',
    async () => {
      const [python = ''] = REMOTE_PYTHONS;
      // as `.ci/python3.14` unpacks it, its executable is the loader: what it runs is told here
      const lookInto = (pid: number) => lookForWayIn({ pid, runtime: 'python' }, { mayOpen: true });
      const agent = await pythonAgent(python, ['none', 'sleep']);
      onTestFinished(agent.kill);
      expect(await lookInto(agent.agentPid)).toMatchObject({
        has: 'yes',
        detail: expect.stringMatching(/CPython 3\.1[45]/),
      });
      const off = await pythonAgent(python, ['none', 'sleep'], { env: { PYTHON_DISABLE_REMOTE_DEBUG: '1' } });
      onTestFinished(off.kill);
      expect(await lookInto(off.agentPid)).toMatchObject({
        has: 'no',
        mend: expect.stringContaining('PYTHON_DISABLE_REMOTE_DEBUG'),
      });
      expect([await agent.works(), await off.works()]).toEqual([true, true]);
    },
  );

  it('of a shell: that nothing can be asked of it', async () => {
    const shell = await start('sh', ['-c', 'while :; do sleep 1; done']);
    onTestFinished(shell.kill);
    const powers = await powersOf(shell.pid);
    expect(powers['collect garbage']).toMatchObject({ has: 'no' });
    expect(powers['name what grows']).toMatchObject({ has: 'no' });
    expect(lives(shell.pid)).toBe(true);
  });

  describe.skipIf(JAVAS.length === 0 || !runs('javac', '-version'))('of a JVM (needs java and javac)', () => {
    let classes: ReturnType<typeof compileJava>;
    beforeAll(() => {
      classes = compileJava();
    });
    afterAll(() => classes.remove());

    it.each([
      [[], 'yes', /^$/],
      [['-XX:+DisableAttachMechanism'], 'no', /DisableAttachMechanism/],
      [['-XX:+DisableExplicitGC'], 'no', /DisableExplicitGC/],
    ])('%j: %s', async (flags, has, mend) => {
      const [java = 'java'] = JAVAS;
      const args = [...flags, '-Xmx64m', '-cp', classes.classPath, 'JvmAgent', '1', '1'];
      const agent = await start(java, args, { stdio: ['pipe', 'pipe', 'pipe'] });
      onTestFinished(agent.kill);
      await until(() => agent.output().includes('ready'));
      const power = (await powersOf(agent.pid))['collect garbage'];
      expect(power?.has).toBe(has);
      expect(power?.mend).toMatch(mend);
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
      ['pprof', 'yes', /^$/],
      ['plain', 'no', /net\/http\/pprof/],
    ])('that serves %s: %s', async (serves, has, mend) => {
      const agent = await start(compiled.program, [serves], { stdio: ['pipe', 'pipe', 'ignore'] });
      onTestFinished(agent.kill);
      await until(() => agent.output().includes('ready'));
      const power = (await powersOf(agent.pid))['collect garbage'];
      expect(power?.has).toBe(has);
      expect(power?.mend).toMatch(mend);
    });
  });
});
