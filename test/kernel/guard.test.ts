import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { RenderedHistory } from '../../src/core/report/history.ts';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import { MIB, startGuardian, until } from '../support/cli.ts';
import { agent, CGROUP, describeWhere, type Group, LACKS, makeGroup } from '../support/kernel.ts';
import { recordDirectory, reportsIn, watchReadiness } from '../support/probes.ts';

const QUICK = ['--hold', '300ms'];

function startIn(group: Group, command: string[]): ChildProcess & { text(): string } {
  const [first = '', ...rest] = [...group.enter, ...command];
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  onTestFinished(() => void child.kill('SIGKILL'));
  return Object.assign(child, { text: () => text });
}

let names = 0;
/** An agent that is found by its name, and the option that finds it. */
function named(...args: (string | number)[]) {
  const name = `guarded-${process.pid}-${++names}`;
  return { command: agent('leak', '--name', name, ...args), find: ['--agent', `match:--name ${name}`] };
}

describeWhere('an agent in a cgroup beside the guardian', LACKS, () => {
  it('that leaks is un-ready before it is killed; what was known stays, and the next is found within a second', async () => {
    // on version 2 as the kubelet makes it
    const group = makeGroup({ limitBytes: 192 * MIB, killTogether: CGROUP === 'cgroup-v2' });
    const { command, find } = named('--rate', 50);
    const guardian = await startGuardian('guard', [...QUICK, ...find]);
    expect(await guardian.status()).toMatchObject({ agent: null, blind: true, ready: true });
    const readiness = watchReadiness(guardian);
    const first = startIn(group, command);
    await until(() => first.signalCode !== null, 'the agent is killed', 30_000);
    expect(first.signalCode).toBe('SIGKILL');
    await until(async () => (await guardian.status()).lastDeath !== null, 'the death is seen', 1000);
    await readiness.stop();

    expect(readiness.refusals()[0]).toMatchObject({
      body: {
        level: 'shedding',
        limitBytes: 192 * MIB,
        limitSource: CGROUP,
        usageSource: CGROUP,
        agent: { pid: first.pid, name: 'leak.mjs', restarts: 0 },
      },
    });
    expect(guardian.events()).toContain('AgentOOMKilled');
    expect(await guardian.status()).toMatchObject({
      level: 'ok',
      ready: true,
      blind: true,
      oomKills: 1,
      lastDeath: { cause: 'oom-killed' },
    });
    const [report] = (await (await guardian.get('/v1/post-mortems')).json()) as PostMortem[];
    expect(report).toMatchObject({ cause: 'oom-killed', oomKills: 1, agent: { pid: first.pid } });
    expect(report?.reason).not.toContain('together');
    const one = await guardian.get(`/v1/post-mortems/${report?.id}`);
    expect(await one.json()).toEqual(report);
    const history = (await (await guardian.get('/v1/history')).json()) as RenderedHistory;
    expect(Math.max(...history.readings.map(({ ratio }) => ratio))).toBeGreaterThan(0.92);
    expect(history.transitions.map(({ to }) => to)).toEqual(['warning', 'shedding', 'critical', 'ok']);

    const next = startIn(group, command);
    await until(async () => (await guardian.status()).agent?.pid === next.pid, 'the next is found', 1000);
    expect((await guardian.status()).agent?.restarts).toBe(1);
    expect((await guardian.status()).blind).toBe(false);
  });

  it('that loses a tool to the OOM killer lives on, and the loss is told', async () => {
    const group = makeGroup({ limitBytes: 192 * MIB });
    const parent = startIn(group, agent('parent'));
    await until(() => parent.text() === '' && group.pids().length > 1, 'the tool runs');
    const guardian = await startGuardian('guard', [...QUICK, '--agent', `pid:${parent.pid}`]);
    await until(() => parent.text().includes('tool SIGKILL'), 'the tool is killed', 30_000);
    await until(() => guardian.events().includes('AgentOOMKilled'), 'it is told', 3000);
    const { msg } = guardian.lines().find(({ event }) => event === 'AgentOOMKilled') ?? {};
    expect(msg).toMatch(/^The kernel's OOM killer killed a child process .*: node \(pid \d+, [\d.]+ MiB\)/);
    expect(msg).toContain(`The agent itself (pid ${parent.pid}) is still running.`);
    await until(async () => (await guardian.status()).level === 'ok', 'the level recovers');
    expect(await guardian.status()).toMatchObject({
      oomKills: 1,
      ready: true,
      lastDeath: null,
      agent: { pid: parent.pid },
    });
    expect(guardian.events()).toContain('MemoryPressureRecovered');
  });

  it('is judged against a resized limit within a second, both ways', async () => {
    const group = makeGroup({ limitBytes: 256 * MIB });
    const { command, find } = named('--start', 105);
    const guardian = await startGuardian('guard', [...QUICK, ...find]);
    const holding = startIn(group, command);
    await until(() => holding.text().includes('up'), 'the memory is taken');
    await until(async () => (await guardian.status()).limitBytes === 256 * MIB, 'it is guarded');
    expect((await guardian.get('/readyz')).status).toBe(200);
    group.setLimit(128 * MIB);
    await until(async () => (await guardian.status()).limitBytes === 128 * MIB, 'it is seen', 1000);
    expect((await guardian.get('/readyz')).status).toBe(503);
    group.setLimit(256 * MIB);
    await until(async () => (await guardian.status()).limitBytes === 256 * MIB, 'it is seen', 1000);
    await until(async () => (await guardian.status()).level === 'ok', 'the level recovers', 3000);
    expect((await guardian.get('/readyz')).status).toBe(200);
    expect(guardian.events()).toContain('MemoryPressureRecovered');
  });

  it('that lives on when only the guardian is killed is not reported dead by the next one', async () => {
    const group = makeGroup({ limitBytes: 128 * MIB });
    const { command, find } = named('--start', 105);
    const directory = recordDirectory();
    const options = [...QUICK, ...find, '--record-dir', directory];
    const lost = await startGuardian('guard', options);
    startIn(group, command);
    await until(() => existsSync(join(directory, 'flight.json')), 'pressure is recorded');
    lost.child.kill('SIGKILL');
    await lost.ended;
    const next = await startGuardian('guard', options);
    await until(async () => !(await next.status()).ready, 'it is un-ready again');
    expect((await next.status()).lastDeath).toBe(null);
    expect(reportsIn(directory)).toEqual([]);
    expect(next.events()).not.toContain('AgentExited');
  });
});
