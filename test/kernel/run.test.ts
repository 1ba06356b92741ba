import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import { MIB, runCli, startGuardian, until } from '../support/cli.ts';
import { agent, CGROUP, describeWhere, itWhere, LACKS, makeGroup, VERSION } from '../support/kernel.ts';
import { recordDirectory, reportsIn, watchReadiness } from '../support/probes.ts';

/** The one report of a command wrapped to its end, and the status it ended with. */
async function endOf(command: string[], options: string[] = [], prefix: string[] = []) {
  const directory = recordDirectory();
  const { code, err } = await runCli(
    ['run', '--listen', '127.0.0.1:0', '--record-dir', directory, ...options, '--', ...command],
    { prefix },
  );
  const reports = reportsIn(directory);
  expect(reports.length, err).toBe(1);
  return { code, err, report: reports[0] as PostMortem };
}

describeWhere('a wrapped command with a limit', LACKS, () => {
  it('that leaks is un-ready before it is killed, and its end is explained', async () => {
    const directory = recordDirectory();
    const guardian = await startGuardian('run', [
      ...['--limit', '192Mi', '--record-dir', directory, '--'],
      ...agent('leak', '--rate', 50),
    ]);
    const readiness = watchReadiness(guardian);
    const { code } = await guardian.ended;
    await readiness.stop();
    expect(code, guardian.text.err).toBe(137);

    const refusal = readiness.refusals()[0];
    expect(refusal?.body).toMatchObject({
      ready: false,
      blind: false,
      level: 'shedding',
      limitBytes: 192 * MIB,
      limitSource: CGROUP,
      usageSource: CGROUP,
      agent: { runtime: 'node', restarts: 0 },
      lastDeath: null,
      degraded: [],
    });
    expect(refusal?.body.ratio).toBeGreaterThanOrEqual(0.85);
    expect(refusal?.body.ratio).toBeLessThan(1);
    expect(refusal?.body.reason).toMatch(/ends below 80 %/);
    expect(refusal?.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(readiness.probes[0]?.code).toBe(200);

    const told = guardian.events();
    const wanted = [
      'MemoryPressureWarning',
      'MemoryPressureShedding',
      'MemoryPressureCritical',
      'AgentOOMKilled',
    ];
    expect(told.filter((reason) => wanted.includes(reason))).toEqual(wanted);

    const [report, ...others] = reportsIn(directory);
    expect(others).toEqual([]);
    expect(report).toMatchObject({ cause: 'oom-killed', signal: 'SIGKILL', oomKills: 1 });
    expect(report?.reason).toMatch(/^Killed by the kernel's OOM killer at (9\d|100) % of 192 MiB\.$/);
    const held = (report?.readings ?? []).map(({ ratio }) => ratio);
    expect(held.length).toBeGreaterThan(20);
    expect(held[0]).toBeLessThan(0.4);
    expect(Math.max(...held)).toBeGreaterThan(0.92);
    expect(report?.readings.every(({ limitBytes }) => limitBytes === 192 * MIB)).toBe(true);
    expect(report?.transitions.map(({ to }) => to)).toEqual(['warning', 'shedding', 'critical']);

    const cgroup = /enforces 192 MiB in ([^"]+)"/.exec(guardian.text.err)?.[1] ?? '';
    expect(cgroup).toContain('/spillway-');
    expect(existsSync(cgroup)).toBe(false);
    expect(existsSync(join(directory, 'flight.json'))).toBe(false);
  });

  it.each([
    ['by its command line', ['--max-old-space-size=64'], []],
    ['by its environment', [], ['env', 'NODE_OPTIONS=--max-old-space-size=64']],
  ])('that fills the heap of V8, limited %s, dies of that, far from the limit', async (_, flags, prefix) => {
    const [node = '', ...program] = agent('heap', '--rate', 40);
    const command = [...prefix, node, ...flags, ...program];
    const { code, report } = await endOf(command, ['--limit', '512Mi']);
    expect(code).toBe(134);
    expect(report).toMatchObject({ cause: 'heap-limit', signal: 'SIGABRT', oomKills: 0 });
    expect(report.reason).toMatch(/^V8 reached its own heap limit of about 64.0 MiB/);
  });

  it.each([
    ['by itself, well', 0, 'exit', 'Exited by itself with exit code 0', 'AgentExited', 'info'],
    ['by itself, badly', 3, 'exit', 'Exited by itself with exit code 3', 'AgentExited', 'warn'],
  ])('that ends %s keeps its status', async (_, status, cause, reason, event, level) => {
    const { code, report, err } = await endOf(agent('exit', '--code', status), ['--limit', '256Mi']);
    expect(code).toBe(status);
    expect(report).toMatchObject({ cause, exitCode: status, signal: null, oomKills: 0 });
    expect(report.reason).toContain(reason);
    expect(err).toMatch(new RegExp(`^\\{"level":"${level}".*"event":"${event}"`, 'm'));
  });

  it('that is told to end does, and the report says by what', async () => {
    const directory = recordDirectory();
    const guardian = await startGuardian('run', [
      ...['--limit', '256Mi', '--record-dir', directory, '--'],
      ...agent('leak'),
    ]);
    await until(() => guardian.text.out.includes('up'), 'the agent is up');
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(143);
    expect(reportsIn(directory)).toMatchObject([{ cause: 'signal', signal: 'SIGTERM', oomKills: 0 }]);
  });
});

describeWhere('a wrapped command without a limit of its own', LACKS, () => {
  it('is judged against the machine where nothing limits it', async () => {
    const guardian = await startGuardian('run', ['--', ...agent('leak')], { prefix: makeGroup().enter });
    await until(async () => (await guardian.status()).agent !== null, 'the agent is guarded');
    const status = await guardian.status();
    expect(status).toMatchObject({ level: 'ok', limitSource: 'machine', blind: false });
    expect(status.degraded.map(({ code }) => code)).toContain('no_memory_limit');
  });

  itWhere(
    'is ended together with the guardian where the kernel kills whole groups; the next start tells of it',
    VERSION === 1 ? 'version 1 kills one process at a time' : undefined,
    async () => {
      const directory = recordDirectory();
      const { enter } = makeGroup({ limitBytes: 256 * MIB, killTogether: true });
      const record = ['--record-dir', directory, '--'];
      const lost = await startGuardian('run', [...record, ...agent('leak', '--rate', 50)], { prefix: enter });
      expect((await lost.ended).signal).toBe('SIGKILL');
      expect(reportsIn(directory)).toEqual([]);
      expect(existsSync(join(directory, 'flight.json'))).toBe(true);

      const next = await startGuardian('run', [...record, ...agent('exit', '--after', 1500)]);
      const listed = (await (await next.get('/v1/post-mortems')).json()) as PostMortem[];
      expect(listed).toMatchObject([
        { cause: 'unknown', status: { limitSource: CGROUP, usageSource: CGROUP } },
      ]);
      expect(listed[0]?.reason).toMatch(/together at \d+ % of 256 MiB/);
      expect(listed[0]?.readings.length).toBeGreaterThan(20);
      expect((await next.status()).lastDeath?.reason).toBe(listed[0]?.reason);
      expect((await next.ended).err).toContain('Guardian and agent ended together');
      expect(reportsIn(directory).map(({ cause }) => cause)).toEqual(['unknown', 'exit']);
      expect(existsSync(join(directory, 'flight.json'))).toBe(false);
    },
  );
});
