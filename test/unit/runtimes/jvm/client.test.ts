import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeError, type SpillwayError } from '../../../../src/core/lib/errors.ts';
import { createJvmClient, type JvmReachOptions } from '../../../../src/runtimes/jvm/client.ts';
import { isAlive, MIB, rssMiB } from '../../../support/cli.ts';
import { compileJava, JAVAS, runs } from '../../../support/compiled.ts';
import { goldenLines } from '../../../support/golden.ts';
import { type Started, start, until } from '../../../support/started.ts';

const isRoot = process.geteuid?.() === 0;
const canUnshare = isRoot && runs('unshare', '-m', 'true');
const canSetpriv =
  isRoot && runs('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', 'true');
const said = goldenLines('jvm-client');
const [JAVA = 'java'] = JAVAS;

let classes: ReturnType<typeof compileJava>;
const started: Started[] = [];
const innerPids: number[] = [];

describe.skipIf(JAVAS.length === 0 || !runs('javac', '-version'))('JVM reach (needs java and javac)', () => {
  beforeAll(() => {
    classes = compileJava();
    chmodSync(classes.classPath, 0o755);
  });
  afterAll(() => classes.remove());
  afterEach(() => {
    for (const { kill, pid } of started.splice(0)) {
      kill();
      innerPids.push(pid);
    }
    // a killed JVM leaves its socket
    for (const pid of innerPids.splice(0)) rmSync(`/tmp/.java_pid${pid}`, { force: true });
  });

  /** Starts the agent: `liveMb` held, `garbageMb` let go of but not collected. */
  async function startAgent(
    flags: readonly string[],
    { java = JAVA, prefix = [] as string[], env = {}, liveMb = 10, garbageMb = 20, ready = true } = {},
  ): Promise<Started> {
    const args = [
      '-Xms16m',
      '-Xmx600m',
      ...flags,
      '-cp',
      classes.classPath,
      'JvmAgent',
      `${liveMb}`,
      `${garbageMb}`,
    ];
    const [command = '', ...rest] = [...prefix, java, ...args];
    const agent = await start(command, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...env },
    });
    started.push(agent);
    if (ready) await until(() => agent.output().includes('ready'));
    return agent;
  }

  const clientOf = (pid: number, options: Partial<JvmReachOptions> = {}) =>
    createJvmClient({ procRoot: '/proc', pid, ...options });

  /** It does its work as before, and its output tells of nothing that was done to it. */
  async function expectUnharmed(agent: Started): Promise<void> {
    agent.child.stdin?.write('echo\n');
    await until(() => agent.output().includes('did echo'));
    expect(agent.output()).not.toContain('Full thread dump');
    expect(existsSync(`/tmp/.attach_pid${agent.pid}`)).toBe(false);
  }

  const refusal = (call: Promise<unknown>): Promise<SpillwayError> =>
    call.then(
      () => {
        throw new Error('it was not refused');
      },
      (error: SpillwayError) => error,
    );

  const COLLECTORS = { G1: true, Serial: false, Parallel: false, Z: false, Shenandoah: true };
  for (const java of JAVAS)
    for (const [collector, returns] of Object.entries(COLLECTORS)) {
      const flag = `-XX:+Use${collector}GC`;
      const absent = !runs(java, flag, '-version');
      it.skipIf(absent)(`collects under ${collector} of ${java} (where that JDK has it)`, async () => {
        const agent = await startAgent([flag], { java, liveMb: 30, garbageMb: 300 });
        const client = clientOf(agent.pid);
        const rssBefore = rssMiB(agent.pid);
        const facts = await client.facts();
        expect(facts?.limitBytes).toBe(600 * MIB);
        expect(facts?.committedBytes).toBeGreaterThan(100 * MIB);
        const startMs = performance.now();
        const done = await client.collect('fast');
        const tookMs = performance.now() - startMs;
        expect(done.after?.usedBytes).toBeGreaterThan(30 * MIB);
        expect(done.after?.usedBytes).toBeLessThan(100 * MIB);
        expect(done.stallMs).toBeGreaterThan(0);
        expect(done.stallMs).toBeLessThan(tookMs);
        if (returns) await until(() => rssMiB(agent.pid) < rssBefore - 100);
        else {
          expect(rssMiB(agent.pid)).toBeGreaterThan(rssBefore - 50);
          expect(client.returnHint()).toContain('-XX:');
        }
        await expectUnharmed(agent);
      });
    }

  it('tells the class that grew since the first profile', async () => {
    const agent = await startAgent([]);
    const client = clientOf(agent.pid);
    const first = await client.profile();
    expect(first.sites.every(({ growthBytes }) => growthBytes === 0)).toBe(true);
    agent.child.stdin?.write('grow 4000\n');
    await until(() => agent.output().includes('did grow'));
    const second = await client.profile();
    expect(second.sites[0]).toMatchObject({ name: 'long[]', kind: 'class', package: 'java.base' });
    expect(second.sites[0]?.growthBytes).toBeGreaterThan(30e6);
    const own = second.sites.find(({ name }) => name === 'JvmAgent$Turn');
    expect(own).toMatchObject({ package: null, growthBytes: 4000 * 16 });
    expect(second.stallMs).toBeGreaterThan(0);
  });

  it('takes calls one at a time', async () => {
    const agent = await startAgent([]);
    const client = clientOf(agent.pid);
    const [facts, done, profile] = await Promise.all([
      client.facts(),
      client.collect('fast'),
      client.profile(),
    ]);
    expect(
      [facts?.usedBytes, done.after?.usedBytes, profile.sites[0]?.bytes].every((n) => n && n > 10 * MIB),
    ).toBe(true);
    await expectUnharmed(agent);
  });

  it('attaches again when the socket was tidied away', async () => {
    const agent = await startAgent([]);
    const client = clientOf(agent.pid);
    await client.facts();
    rmSync(`/tmp/.java_pid${agent.pid}`);
    expect(await client.facts()).not.toBeNull();
    await expectUnharmed(agent);
  });

  it('measures the stall itself where the JVM keeps no counters', async () => {
    const agent = await startAgent(['-XX:-UsePerfData']);
    expect((await clientOf(agent.pid).collect('full')).stallMs).toBeGreaterThan(0);
  });

  it('needs no signal under -Xrs, and sends none where that would kill', async () => {
    const agent = await startAgent(['-Xrs']);
    const client = clientOf(agent.pid);
    expect((await client.collect('fast')).after).not.toBeNull();
    rmSync(`/tmp/.java_pid${agent.pid}`);
    expect(await refusal(client.facts())).toMatchObject({ code: 'refused', hint: 'remove -Xrs' });
    await expectUnharmed(agent);
  });

  it.each([
    ['on the command line', ['-XX:+DisableAttachMechanism'], {}],
    ['by JAVA_TOOL_OPTIONS', [], { JAVA_TOOL_OPTIONS: '-XX:+DisableAttachMechanism' }],
    ['by JDK_JAVA_OPTIONS', [], { JDK_JAVA_OPTIONS: '-XX:+DisableAttachMechanism' }],
  ])('sends no signal where attaching is switched off %s', async (_, flags, env) => {
    const agent = await startAgent(flags, { env });
    const error = await refusal(clientOf(agent.pid).collect('fast'));
    expect(error).toMatchObject({ code: 'refused', retryable: false });
    expect(error.message).toContain('DisableAttachMechanism');
    await expectUnharmed(agent);
  });

  it('gives up where attaching is switched off out of sight', async () => {
    const file = join(classes.classPath, 'options');
    writeFileSync(file, '-XX:+DisableAttachMechanism');
    const agent = await startAgent([`@${file}`]);
    const client = clientOf(agent.pid, { timeouts: { attachMs: 300 } });
    const outcomes: string[] = [];
    for (let i = 0; i < 4; i++) outcomes.push((await refusal(client.facts())).code);
    expect(outcomes).toEqual(['timeout', 'timeout', 'refused', 'refused']);
    expect(agent.output().match(/Full thread dump/g)).toHaveLength(2);
    expect(existsSync(`/tmp/.attach_pid${agent.pid}`)).toBe(false);
    expect(isAlive(agent.pid)).toBe(true);
  });

  it('leaves no file behind when the JVM dies meanwhile, and removes one that was left', async () => {
    const file = join(classes.classPath, 'options');
    writeFileSync(file, '-XX:+DisableAttachMechanism');
    const agent = await startAgent([`@${file}`]);
    const trigger = `/tmp/.attach_pid${agent.pid}`;
    const refused = refusal(clientOf(agent.pid).facts());
    await until(() => existsSync(trigger));
    agent.kill();
    expect((await refused).code).toBe('refused');
    expect(existsSync(trigger)).toBe(false);

    const other = await startAgent([]);
    const left = `/tmp/.attach_pid${other.pid}`;
    writeFileSync(left, '');
    utimesSync(left, 1, 1);
    expect(await clientOf(other.pid).facts()).not.toBeNull();
    await expectUnharmed(other);
  });

  it('says so where the JVM does not collect when asked', async () => {
    const agent = await startAgent(['-XX:+DisableExplicitGC']);
    const client = clientOf(agent.pid);
    expect(await client.facts()).not.toBeNull();
    expect((await refusal(client.collect('fast'))).hint).toContain('DisableExplicitGC');
  });

  it('harms no JVM that starts', { timeout: 120_000 }, async () => {
    for (let i = 0; i < 20; i++) {
      const agent = await startAgent([], { ready: false, garbageMb: 1 });
      const client = clientOf(agent.pid);
      let facts: unknown = null;
      for (let tries = 0; tries < 5000 && facts === null; tries++) {
        facts = await client.facts().catch((error: SpillwayError) => {
          expect(error).toMatchObject({ code: 'refused', retryable: true });
          return null;
        });
        if (facts === null) await sleep(1);
      }
      expect(facts).not.toBeNull();
      await until(() => agent.output().includes('ready'));
      await expectUnharmed(agent);
      agent.kill();
    }
  });

  it('waits no longer than its limit for a JVM that is stopped', async () => {
    const agent = await startAgent([]);
    const client = clientOf(agent.pid, { timeouts: { readMs: 300 } });
    const stop = async () => {
      process.kill(agent.pid, 'SIGSTOP');
      await until(() => /\) T /.test(readFileSync(`/proc/${agent.pid}/stat`, 'utf8')));
    };
    await stop();
    expect(await refusal(client.facts())).toMatchObject({ code: 'refused', retryable: true });
    process.kill(agent.pid, 'SIGCONT');
    await until(async () => (await client.facts().catch(() => null)) !== null);
    await stop();
    expect(await refusal(client.facts())).toMatchObject({ code: 'timeout', retryable: true });
    process.kill(agent.pid, 'SIGCONT');
    expect(await client.facts()).not.toBeNull();
    await expectUnharmed(agent);
  });

  it('leaves alone what is only called java, what has ended, and another process with its pid', async () => {
    const program = join(mkdtempSync(join(tmpdir(), 'spillway-named-')), 'java');
    copyFileSync(execFileSync('sh', ['-c', 'command -v sleep'], { encoding: 'utf8' }).trim(), program);
    const named = await start(program, ['60']);
    started.push(named);
    const noJvm = await refusal(clientOf(named.pid).collect('fast'));
    expect(noJvm).toMatchObject({ code: 'refused' });
    said('no JVM', describeError(noJvm), { PID: named.pid });
    expect(isAlive(named.pid)).toBe(true);
    rmSync(join(program, '..'), { recursive: true });

    const agent = await startAgent([]);
    const ended = await refusal(clientOf(agent.pid, { startTime: 1 }).facts());
    expect(ended).toMatchObject({ code: 'refused', retryable: false });
    said('ended', describeError(ended), { PID: agent.pid });
    await expectUnharmed(agent);
    const client = clientOf(agent.pid);
    await client.facts();
    agent.kill();
    await until(() => !isAlive(agent.pid));
    expect(await refusal(client.facts())).toMatchObject({ code: 'refused', retryable: false });
  });

  it.skipIf(!canSetpriv)('reaches the JVM of another user as root (needs root, setpriv)', async () => {
    const agent = await startAgent([], {
      prefix: ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'],
    });
    expect((await clientOf(agent.pid).collect('fast')).after).not.toBeNull();
    await expectUnharmed(agent);
  });

  it.skipIf(!canSetpriv)('says what to set when it is another user (needs root, setpriv)', async () => {
    const agent = await startAgent([]);
    const bundle = join(classes.classPath, 'reach.cjs');
    const source = fileURLToPath(new URL('../../../../src/runtimes/jvm/client.ts', import.meta.url));
    buildSync({ entryPoints: [source], bundle: true, platform: 'node', format: 'cjs', outfile: bundle });
    const script = `require(${JSON.stringify(bundle)}).createJvmClient({ procRoot: '/proc', pid: ${agent.pid} })
      .facts().then(() => console.log('reached'), ({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })))`;
    const out = execFileSync(
      'setpriv',
      ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, '-e', script],
      { encoding: 'utf8' },
    );
    const { code, message, hint } = JSON.parse(out) as SpillwayError;
    expect(code).toBe('refused');
    said('another user', `${message}; ${hint}`);
    await expectUnharmed(agent);
  });

  it.skipIf(!canUnshare)('reaches into other mount and pid namespaces (needs root, unshare)', async () => {
    const inside = `mount -t tmpfs none /tmp && exec "$@"`;
    const classPath = mkdtempSync('/var/tmp/spillway-java-');
    cpSync(classes.classPath, classPath, { recursive: true }); // the one in /tmp is hidden there
    try {
      const agent = await start(
        'unshare',
        ['-mpf', '--mount-proc', 'sh', '-c', inside, 'sh', JAVA, '-cp', classPath, 'JvmAgent', '10', '20'],
        { stdio: ['pipe', 'pipe', 'pipe'] },
      );
      started.push(agent);
      await until(() => agent.output().includes('ready'));
      const pid = Number(readFileSync(`/proc/${agent.pid}/task/${agent.pid}/children`, 'utf8'));
      const client = clientOf(pid);
      expect((await client.collect('fast')).after).not.toBeNull();
      expect(existsSync(`/proc/${pid}/root/tmp/.java_pid1`)).toBe(true);
      await expectUnharmed(agent);
      agent.kill();
      process.kill(pid, 'SIGKILL');
    } finally {
      rmSync(classPath, { recursive: true, force: true });
    }
  });
});
