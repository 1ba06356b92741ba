import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CLI, cleanEnv, isAlive, runCli, startCli, startGuardian, until } from '../support/cli.ts';
import { agent, itWhere, LACKS } from '../support/kernel.ts';
import { recordDirectory, reportsIn } from '../support/probes.ts';

const LISTEN = ['--listen', '127.0.0.1:0'];
const PYTHON = spawnSync('python3', ['-c', '']).status === 0 ? undefined : 'no python3';

/** A script for `sh` that notes the time of each of its lives. */
function counted(script: string) {
  const directory = mkdtempSync(join(tmpdir(), 'restart-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'lives');
  const lives = () =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .trim()
          .split('\n')
          .map((line) => Number(line) / 1e6)
      : [];
  return { command: ['--', 'sh', '-c', `date +%s%N >>${file}; ${script}`], lives };
}

const metric = async (guardian: { get(path: string): Promise<Response> }, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await guardian.get('/metrics')).text())?.[1]);

describe('a command that crashes', () => {
  it('should be started again with ever longer waits, each life counted and reported, until SIGTERM', async () => {
    const { command, lives } = counted('exit 3');
    const directory = recordDirectory();
    const guardian = await startGuardian('run', [
      ...['--restart', 'on-failure', '--record-dir', directory],
      ...command,
    ]);
    await until(() => lives().length === 4, 'it has been started four times');
    const [first = 0, second = 0, third = 0, fourth = 0] = lives();
    expect(second - first).toBeLessThan(900);
    expect(third - second).toBeGreaterThan(850);
    expect(fourth - third).toBeGreaterThan(1750);

    await until(async () => (await metric(guardian, 'spillway_agent_restarts_total')) === 3, 'it is counted');
    // between two lives nothing takes work
    expect((await guardian.get('/livez')).status).toBe(200);
    const unready = await guardian.get('/readyz');
    expect(unready.status).toBe(503);
    expect(await unready.json()).toMatchObject({ ready: false, reason: 'the command is not running' });
    expect((await guardian.get('/admit')).status).toBe(503);
    await until(() => reportsIn(directory).length === 4, 'the last end is reported');
    expect(await guardian.status()).toMatchObject({ agent: null, lastDeath: { cause: 'exit' } });
    expect(reportsIn(directory).map(({ exitCode }) => exitCode)).toEqual([3, 3, 3, 3]);

    const toldMs = performance.now();
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(3);
    expect(performance.now() - toldMs).toBeLessThan(1500);
    expect(lives().length).toBe(4);
    expect(guardian.text.err).toContain('the command exited (status 3) and restarts at once');
    expect(guardian.text.err).not.toContain('unexpected');
  });

  it('should leave nothing running from one life to the next', async () => {
    const { command, lives } = counted('sleep 986 & sleep 0.3; exit 1');
    const guardian = await startGuardian('run', ['--restart', 'always', ...command]);
    const left = () => spawnSync('pgrep', ['-f', '^sleep 986$']).stdout.toString().trim().split('\n');
    await until(() => lives().length === 3, 'three lives');
    expect(left().filter(Boolean)).toHaveLength(1);
    guardian.child.kill('SIGTERM');
    await guardian.ended;
    expect(left().filter(Boolean)).toEqual([]);
  });

  it('should find its input where the life before left it', async () => {
    const script = 'read line || exit 0; echo "got $line"; exit 1';
    const cli = startCli(['run', ...LISTEN, '--restart', 'on-failure', '--', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    cli.child.stdin?.end('one\ntwo\n');
    expect(await cli.ended).toMatchObject({ code: 0, out: 'got one\ngot two\n' });
  });
});

describe('a command that ends well', () => {
  it.each([
    ['on-failure', 'exit 0', 1, 0],
    ['no', 'exit 3', 1, 3],
    ['always', 'exit 127', 1, 127],
  ])('with --restart %s and `%s` should be started %i time', async (mode, script, times, status) => {
    const { command, lives } = counted(script);
    expect((await runCli(['run', ...LISTEN, '--restart', mode, ...command])).code).toBe(status);
    expect(lives()).toHaveLength(times);
  });

  it('should be started again with --restart always', async () => {
    const { command, lives } = counted('exit 0');
    const cli = startCli(['run', ...LISTEN, '--restart', 'always', ...command]);
    await until(() => lives().length === 3, 'three lives');
    cli.child.kill('SIGINT');
    expect((await cli.ended).code).toBe(0);
  });

  it('should not be tried again when it cannot be started at all', async () => {
    const { code, err } = await runCli(['run', ...LISTEN, '--restart', 'always', '--', 'no-such-command']);
    expect(code).toBe(127);
    expect(err.match(/command not found/g)).toHaveLength(1);
  });
});

describe('signals with --restart always', () => {
  it('should end the command for good at SIGTERM', async () => {
    const guardian = await startGuardian('run', ['--restart', 'always', '--', 'sleep', '60']);
    await until(async () => (await guardian.status()).agent !== null, 'it is guarded');
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(143);
    expect(guardian.text.err).not.toContain('and restarts');
  });

  it('should reach each life, and end neither guardian nor waiting', async () => {
    const script = "trap 'exit 9' USR2; echo up; while :; do sleep 0.05; done";
    const guardian = await startGuardian('run', ['--restart', 'always', '--', 'sh', '-c', script]);
    for (let life = 1; life <= 3; life++) {
      await until(() => guardian.text.out.split('up').length === life + 1, `life ${life}`);
      guardian.child.kill('SIGUSR2');
      await until(() => guardian.text.err.split('and restarts').length === life + 1, `its end ${life}`);
      for (const signal of ['SIGUSR1', 'SIGHUP', 'SIGCONT'] as const)
        if (life === 2) guardian.child.kill(signal); // while it waits for a second
    }
    expect((await guardian.get('/livez')).status).toBe(200);
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(9);
  });

  it.skipIf(PYTHON).each([
    ['Ctrl-C', 'os.write(fd, b"\\x03")'],
    ['the end of the terminal', 'os.close(fd)'],
  ])('should end for good at %s', async (_, happens) => {
    // runs a command in a terminal of its own, and tells whether it ends; Node itself aborts when its terminal is gone
    const program = `import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
while b'up' not in seen: seen += os.read(fd, 1000)
${happens}
for i in range(100):
    done, status = os.waitpid(pid, os.WNOHANG)
    if done: break
    time.sleep(0.05)
print(pid, 'ended' if done else 'still runs')`;
    const wrapped = ['sh', '-c', 'echo up; exec sleep 985'];
    const argv = [process.execPath, CLI, 'run', ...LISTEN, '--log-level', 'silent', '--restart', 'always'];
    const python = spawn('python3', ['-c', program, ...argv, '--', ...wrapped], { env: cleanEnv() });
    let out = '';
    python.stdout.on('data', (data) => (out += data));
    await new Promise((resolve) => python.once('close', resolve));
    const pid = Number.parseInt(out, 10);
    onTestFinished(() => void (pid > 0 && isAlive(pid) && process.kill(pid, 'SIGKILL')));
    expect(out.trim()).toBe(`${pid} ended`);
    expect(spawnSync('pgrep', ['-f', '^sleep 985$']).stdout.toString()).toBe('');
  });
});

describe('a command that the kernel kills', () => {
  itWhere('should be back in the same cgroup, and the guardian know of it', LACKS, async () => {
    const directory = recordDirectory();
    const guardian = await startGuardian('run', [
      ...['--limit', '128Mi', '--restart', 'on-failure', '--record-dir', directory, '--'],
      ...agent('leak', '--rate', 60),
    ]);
    await until(async () => ((await guardian.status()).agent?.restarts ?? 0) >= 2, 'two kills', 20_000);
    const status = await guardian.status();
    expect(status).toMatchObject({ limitBytes: 128 * 2 ** 20, oomKills: 2, degraded: [] });
    expect(status.lastDeath?.cause).toBe('oom-killed');
    expect(await metric(guardian, 'spillway_agent_restarts_total')).toBe(2);
    guardian.child.kill('SIGTERM');
    await guardian.ended;
    expect(guardian.events().filter((reason) => reason === 'AgentOOMKilled')).toHaveLength(2);
    expect(reportsIn(directory).map(({ cause }) => cause)).toEqual(['oom-killed', 'oom-killed', 'signal']);
    const cgroup = /enforces 128 MiB in ([^"]+)"/.exec(guardian.text.err)?.[1] ?? '';
    expect(cgroup).toContain('/spillway-');
    expect(existsSync(cgroup)).toBe(false);
  });
});
