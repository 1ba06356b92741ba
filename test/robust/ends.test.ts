import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { freePort, isAlive, runCli, startGuardian, startTidal, TIDAL_AGENT, until } from '../support/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-ends-'));
afterAll(() => rmSync(directory, { recursive: true }));

const descendantsOf = (pid: number): number[] => {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => parentOf(each) === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
};
function parentOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[1]);
  } catch {
    return undefined; // ended meanwhile
  }
}

describe('a port in use', () => {
  it.each([
    ['run', 125],
    ['guard', 1],
  ] as const)('should end %s with status %i and a message with its hint, and start nothing', async (command, status) => {
    const other = await startTidal();
    const marker = join(directory, `started-${command}`);
    const args = command === 'run' ? ['--', 'touch', marker] : [];
    const { code, err } = await runCli([command, '--listen', `127.0.0.1:${other.port}`, ...args]);
    expect(code).toBe(status);
    expect(err).toMatch(new RegExp(`cannot listen on 127.0.0.1:${other.port}.*\\n.*--listen`));
    expect(err).not.toMatch(/^\s+at /m);
    expect(existsSync(marker)).toBe(false);
    expect((await other.get('/livez')).status).toBe(200);
  });

  it.each([
    '203.0.113.1:9797',
    'no.such.host.invalid:9797',
  ])('should say so when the address is not ours: %s', async (listen) => {
    const { code, err } = await runCli(['run', '--listen', listen, '--', 'true']);
    expect(code).toBe(125);
    expect(err).toContain('cannot listen on');
    expect(err).not.toMatch(/^\s+at /m);
  });
});

describe('the exit status of run', () => {
  it.each([
    [['true'], 0],
    [['sh', '-c', 'exit 37'], 37],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['sh', '-c', 'kill -KILL $$'], 137],
    [['sh', '-c', 'kill -SEGV $$'], 139],
    [['/no/such/command'], 127],
    [['no-such-command'], 127],
    [['/etc/passwd'], 126],
    [['/'], 126],
    [[''], 126],
  ])('should be that of the command, or say why it was not started: %j → %i', async (command, status) => {
    const { code, err } = await runCli(['run', '--listen', '127.0.0.1:0', '--', ...command]);
    expect(code, err).toBe(status);
    expect(err).not.toMatch(/\n\s+at |unexpected:/);
  });
});

describe('signals to the guardian', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const)('should pass %s on to the command and end as it does', async (signal, status) => {
    const guardian = await startTidal();
    guardian.child.kill(signal);
    expect((await guardian.ended).code).toBe(status);
  });

  it('should end guard in order on SIGTERM, with status 0, and not on SIGHUP or SIGUSR1', async () => {
    const guardian = await startGuardian('guard', ['--agent', `match:${directory}/nobody`]);
    for (const signal of ['SIGHUP', 'SIGUSR1'] as const) guardian.child.kill(signal);
    expect((await guardian.get('/livez')).status).toBe(200);
    guardian.child.kill('SIGTERM');
    expect(await guardian.ended).toMatchObject({ code: 0, signal: null });
    expect(guardian.text.err).not.toContain('Debugger');
  });

  it('should leave an agent alone that ignores SIGTERM, guard it further, and end with it', async () => {
    const agent =
      'process.on("SIGTERM", () => console.log("no")); process.on("SIGUSR2", () => process.exit(9)); setInterval(() => {}, 1000); console.log("up")';
    const guardian = await startGuardian('run', ['--', process.execPath, '-e', agent]);
    await until(() => guardian.text.out.includes('up'), 'the agent is up');
    for (let i = 1; i <= 3; i++) {
      guardian.child.kill('SIGTERM');
      await until(() => guardian.text.out.split('no').length === i + 1, 'the agent has heard it');
    }
    expect(await guardian.status()).toMatchObject({ blind: false, ready: true });
    guardian.child.kill('SIGUSR2');
    expect((await guardian.ended).code).toBe(9);
  });
});

describe('kill -9 of the guardian', () => {
  it('should leave nothing behind: command, grandchildren, reaper, cgroup', async () => {
    const script = `${TIDAL_AGENT.map((word) => `'${word}'`).join(' ')} & (trap "" TERM HUP; sleep 987) & setsid sleep 987 & echo up; wait`;
    const guardian = await startGuardian('run', ['--limit', '256Mi', '--', 'sh', '-c', script]);
    await until(() => guardian.text.out.split('up').length === 3, 'all are up');
    const family = descendantsOf(guardian.pid);
    const group = /the kernel enforces .* in (\/\S+?)"/.exec(guardian.text.err)?.[1];
    expect(family.length).toBeGreaterThanOrEqual(5); // shell, agent, two sleeps, reaper
    if (group !== undefined) expect(existsSync(group)).toBe(true);
    guardian.child.kill('SIGKILL');
    await until(() => !family.some(isAlive), 'all processes are gone', 12_000);
    if (group !== undefined) await until(() => !existsSync(group), 'the cgroup is gone');
    expect(spawnSync('pgrep', ['-f', '^sleep 987$']).stdout.toString()).toBe('');
  });

  it('should let the next guardian take the same port at once', async () => {
    const port = await freePort();
    for (let i = 0; i < 3; i++) {
      const run = await startGuardian('run', ['--', 'sleep', '60']);
      run.child.kill('SIGKILL');
      await run.ended;
    }
    expect((await runCli(['run', '--listen', `127.0.0.1:${port}`, '--', 'true'])).code).toBe(0);
  });
});
