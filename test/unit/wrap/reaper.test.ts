import { existsSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { startReaper } from '../../../src/wrap/reaper.ts';
import { buildDriver, drive, isAlive, until } from '../../support/wrap.ts';

const built = buildDriver();
afterAll(built.remove);

/** The standard shell, and bash where it is another one: it is `/bin/sh` on some systems. */
const shells = ['/bin/sh', '/bin/bash'].filter(existsSync);

/** Prints the pids of: a background child, one in a session of its own whose parent has ended, and the command; then waits. */
const family = `
  sleep 300 & echo $!
  setsid sh -c 'sleep 301 & echo $!' &
  wait $!
  echo $$
  exec sleep 302`;

async function pidsOf(run: ReturnType<typeof drive>, count: number): Promise<number[]> {
  await until(() => run.stdout().split('\n').length === count + 1, `${count} pids are printed`);
  return run.stdout().trim().split('\n').map(Number);
}

describe('a guardian that is killed', () => {
  it.each(shells)('leaves nothing of the run, nor the reaper (%s)', async (shell) => {
    const run = drive(built, { command: 'sh', args: ['-c', family], shell });
    const pids = await pidsOf(run, 3);
    const { guardian, reaper } = await run.info();
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    process.kill(guardian, 'SIGKILL');
    await until(() => ![...pids, reaper].some(isAlive), 'all have ended');
    await run.result;
  });

  it('has those killed that ignore SIGTERM or were stopped, after the grace', async () => {
    const script = `trap '' TERM; sleep 300 & echo $!; kill -STOP $!; echo $$; while :; do sleep 0.2; done`;
    const run = drive(built, { command: 'sh', args: ['-c', script], graceMs: 1000 });
    const pids = await pidsOf(run, 2);
    const { guardian, reaper } = await run.info();
    process.kill(guardian, 'SIGKILL');
    await until(() => ![...pids, reaper].some(isAlive), 'all have ended');
    await run.result;
  });

  it('has those found that gave away their environment, by descent', async () => {
    const script = `env -i /bin/sleep 300 & echo $!; echo $$; wait`;
    const run = drive(built, { command: 'env', args: ['-i', '/bin/sh', '-c', script] });
    const pids = await pidsOf(run, 2);
    const { guardian, reaper } = await run.info();
    process.kill(guardian, 'SIGKILL');
    await until(() => ![...pids, reaper].some(isAlive), 'all have ended');
    await run.result;
  });
});

describe('a command that has ended', () => {
  it('leaves no background process, whether it heeds SIGTERM or not, and the status is its own', async () => {
    const script = `sleep 300 & echo $!; setsid sh -c 'trap "" TERM; echo $$; while :; do sleep 0.1; done' & sleep 0.5; exit 3`;
    const run = drive(built, { command: 'sh', args: ['-c', script] });
    const pids = await pidsOf(run, 2);
    const { reaper } = await run.info();
    const { code, err } = await run.result;
    expect({ code, err }).toEqual({ code: 3, err: '' });
    expect([...pids, reaper].some(isAlive)).toBe(false);
  });
});

describe('the reaper', () => {
  it('has a session of its own, is unmoved by the signals of a terminal and goes at `done` without touching anything', async () => {
    const lost: string[] = [];
    const reaper = await startReaper({ runId: 'r1', onLost: (why) => lost.push(why) });
    if (typeof reaper === 'string') throw new Error(reaper);
    const fields = readFileSync(`/proc/${reaper.pid}/stat`, 'utf8').split(' ');
    expect(Number(fields[5])).toBe(reaper.pid);
    // The traps stand once the shell waits for a line: it then sleeps in a read of its pipe.
    await until(
      () => /SigIgn:\t0*[1-9a-f]/.test(readFileSync(`/proc/${reaper.pid}/status`, 'utf8')),
      'it ignores signals',
    );
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)
      process.kill(reaper.pid, signal);
    reaper.watch(process.pid);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isAlive(reaper.pid)).toBe(true);
    await reaper.done();
    expect(isAlive(reaper.pid)).toBe(false);
    expect(lost).toEqual([]);
  });

  it('tells when it is lost', async () => {
    const lost: string[] = [];
    const reaper = await startReaper({ runId: 'r2', onLost: (why) => lost.push(why) });
    if (typeof reaper === 'string') throw new Error(reaper);
    process.kill(reaper.pid, 'SIGKILL');
    await until(() => lost.length > 0, 'the loss is told');
    expect(lost[0]).toContain('SIGKILL');
    await reaper.done();
  });

  it('is done without where there is no shell, with the reason', async () => {
    expect(await startReaper({ runId: 'r3', shell: '/no/such/sh' })).toMatch(
      /no reaper \(\/no\/such\/sh: .*ENOENT\)/,
    );
    const { code } = await drive(built, { command: 'sh', args: ['-c', 'exit 6'], shell: '/no/such/sh' })
      .result;
    expect(code).toBe(6);
  });
});
