import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { cpuMs, openFiles, rssMiB, startGuardian, until, watchSampling } from '../support/cli.ts';
import { start } from '../support/started.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-agents-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('an agent that restarts in a tight loop', () => {
  it('should cost neither descriptors nor memory, and leave the last 10 reports', async () => {
    const [agent, loop, reports] = ['short-lived.sh', 'loop.sh', 'reports'].map((name) =>
      join(directory, name),
    ) as [string, string, string];
    writeFileSync(agent, 'sleep 0.02\n');
    writeFileSync(loop, `while :; do sh ${agent}; done\n`);
    const guardian = await startGuardian('guard', [
      '--agent',
      `match:${agent}`,
      '--record-dir',
      reports,
      '--log-level',
      'warn',
    ]);
    const atRest = openFiles(guardian.pid).length;
    const supervisor = await start('sh', [loop]);
    onTestFinished(supervisor.kill);
    const restarts = async () =>
      Number(
        /^spillway_agent_restarts_total (\d+)$/m.exec(await (await guardian.get('/metrics')).text())?.[1] ??
          0,
      );
    await until(async () => (await restarts()) >= 40, 'it has restarted 40 times', 20_000);
    const before = { rss: rssMiB(guardian.pid), log: guardian.text.err.length };
    const measured = await watchSampling(guardian);
    await until(async () => (await restarts()) >= 200, 'it has restarted 200 times', 60_000);
    const { p99Ms } = await measured();
    const lives = (await restarts()) - 40;
    supervisor.kill();
    await until(async () => (await guardian.status()).agent === null, 'the last one is gone');
    const grown = rssMiB(guardian.pid) - before.rss;
    console.log(`${lives} lives: ${grown.toFixed(1)} MiB RSS, interval p99 ≤ ${p99Ms} ms`);
    expect(grown).toBeLessThan(20);
    // pidusage keeps a file open for some seconds, and for good when the process ends between its opening and reading it
    const most = atRest + lives / 10;
    await until(() => openFiles(guardian.pid).length <= most, 'its files are closed', 15_000);
    expect(openFiles(guardian.pid).filter((file) => /memory\.|\/statm/.test(file))).toEqual([]);
    expect(p99Ms).toBeLessThanOrEqual(200);
    expect((guardian.text.err.length - before.log) / lives).toBeLessThan(4000);
    expect(await (await guardian.get('/v1/post-mortems')).json()).toHaveLength(10);
    await until(
      () => readdirSync(reports).filter((name) => name.endsWith('.json')).length === 10,
      '10 files are left',
    );
  });
});

describe('an agent of 500 processes', () => {
  it('should be seen whole, at a small price, with the sampling on time', async () => {
    const script = 'i=0; while [ $i -lt 500 ]; do sleep 100 & i=$((i+1)); done; echo up; wait';
    const guardian = await startGuardian('run', ['--sample-max', '50ms', '--', 'sh', '-c', script]);
    await until(() => guardian.text.out.includes('up'), 'all are started', 20_000);
    await until(async () => (await guardian.status()).processes === 501, 'all are seen');
    const children = readFileSync(
      `/proc/${(await guardian.status()).agent?.pid}/task/${(await guardian.status()).agent?.pid}/children`,
      'utf8',
    );
    const rss = children
      .trim()
      .split(' ')
      .reduce((sum, pid) => sum + Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096, 0);
    const seen = (await guardian.status()).rssBytes ?? 0;
    expect(seen / rss).toBeGreaterThan(0.9);
    expect(seen / rss).toBeLessThan(1.1);
    const measured = await watchSampling(guardian);
    const [from, since] = [cpuMs(guardian.pid), performance.now()];
    await sleep(8000);
    const cores = (cpuMs(guardian.pid) - from) / (performance.now() - since);
    const { p99Ms } = await measured();
    console.log(
      `500 processes: ${(100 * cores).toFixed(1)} % of a core, interval p99 ≤ ${p99Ms} ms, RSS of the guardian ${rssMiB(guardian.pid).toFixed(0)} MiB`,
    );
    expect(p99Ms).toBeLessThanOrEqual(200);
    expect(cores).toBeLessThan(0.2);
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(143);
  });
});
