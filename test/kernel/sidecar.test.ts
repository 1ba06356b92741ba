import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { MIB, startGuardian, until } from '../support/cli.ts';
import { agent, CGROUP, describeWhere, type Group, LACKS } from '../support/kernel.ts';
import { startPod } from '../support/pod.ts';
import { watchReadiness } from '../support/probes.ts';

/** Uid and capabilities of the processes of a container, as `/proc/PID/status` tells them, each once. */
function rightsOf(group: Group): string[] {
  const rights = group.pids().map((pid) => {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return [...text.matchAll(/^(Uid|CapEff|CapBnd):\s+(\w+)/gm)]
      .map(([, name, value]) => `${name} ${value}`)
      .join();
  });
  return [...new Set(rights)];
}

/** The guardian sees its own cgroup only, has no capabilities, and shares nothing with the agent but processes. */
describeWhere('a sidecar with cgroup and mount namespaces of its own', LACKS, () => {
  it('with the uid and gid of the agent reads its cgroup, by itself and after a restart', async () => {
    const pod = await startPod();
    const container = pod.container({ uid: 1000, limitBytes: 192 * MIB });
    const sidecar = pod.container({ uid: 1000, limitBytes: 128 * MIB });
    const guardian = await startGuardian('guard', ['--hold', '300ms'], { prefix: sidecar.enter });
    const start = (...args: (string | number)[]) => {
      const [first = '', ...rest] = [...container.enter, ...agent('leak', ...args)];
      return spawn(first, rest, { stdio: 'ignore' });
    };
    start('--start', 60);
    await until(async () => (await guardian.status()).agent?.name === 'leak.mjs', 'the agent is found');
    await until(async () => ((await guardian.status()).anonBytes ?? 0) > 60 * MIB, 'its memory is seen');
    expect(await guardian.status()).toMatchObject({
      level: 'ok',
      limitBytes: 192 * MIB,
      limitSource: CGROUP,
      usageSource: CGROUP,
      degraded: [],
      agent: { runtime: 'node', restarts: 0 },
    });
    // the helper that waits outside the pod for its child is root's
    const powerless = 'Uid 1000,CapEff 0000000000000000,CapBnd 0000000000000000';
    expect(rightsOf(sidecar.group)).toContain(powerless);
    expect(rightsOf(container.group)).toContain(powerless);
    for (const pid of container.group.pids()) process.kill(pid, 'SIGKILL');
    await until(async () => (await guardian.status()).agent === null, 'its end is seen');

    const readiness = watchReadiness(guardian);
    start('--rate', 50);
    await until(async () => (await guardian.status()).agent?.restarts === 1, 'the next is found', 1000);
    await until(() => guardian.events().includes('AgentOOMKilled'), 'its kill is seen', 30_000);
    await readiness.stop();
    expect(readiness.refusals()[0]?.body).toMatchObject({ level: 'shedding', usageSource: CGROUP });
    expect((await guardian.status()).lastDeath?.cause).toBe('oom-killed');
  });

  it('with another uid goes by the RSS and the limit it is told, and says why and what to do', async () => {
    const pod = await startPod();
    const container = pod.container({ uid: 1000, limitBytes: 192 * MIB });
    const sidecar = pod.container({ uid: 1001, limitBytes: 128 * MIB });
    const guardian = await startGuardian('guard', ['--hold', '300ms', '--downward-limit', '192Mi'], {
      prefix: sidecar.enter,
    });
    const readiness = watchReadiness(guardian);
    const [first = '', ...rest] = [...container.enter, ...agent('leak', '--rate', 50)];
    const child = spawn(first, rest, { stdio: 'ignore' });
    await until(async () => (await guardian.status()).agent?.name === 'leak.mjs', 'the agent is found');
    const denied = /cgroup is unusable: .*permission denied.*same uid and gid/;
    await until(async () => denied.test(JSON.stringify((await guardian.status()).degraded)), 'it says why');
    expect(await guardian.status()).toMatchObject({
      limitBytes: 192 * MIB,
      limitSource: 'downward-api',
      usageSource: 'rss',
      blind: false,
    });
    await until(() => child.exitCode !== null || child.signalCode !== null, 'the agent is killed', 30_000);
    await until(async () => (await guardian.status()).lastDeath !== null, 'its death is seen');
    await readiness.stop();
    expect(readiness.refusals()[0]?.body).toMatchObject({ usageSource: 'rss', agent: { restarts: 0 } });
    expect((await guardian.status()).lastDeath).toMatchObject({ cause: 'unknown' });
    expect((await guardian.status()).lastDeath?.reason).toContain('not visible');
  });
});
