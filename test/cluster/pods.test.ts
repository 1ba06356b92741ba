import type { V1CronJob, V1Job, V1Pod } from '@kubernetes/client-node';
import { describe, expect, inject, it } from 'vitest';
import { create, pathOf, until } from './support/api.ts';
import { PATIENCE } from './support/environment.ts';
import { execIn, startIn } from './support/exec.ts';
import { eventsOn, statusOf, untilStatus } from './support/guardian.ts';
import { makeNamespace } from './support/namespace.ts';
import { agentPod, agentTemplate, container, isReady, MIB, patch, untilPod } from './support/workload.ts';

const lacks = inject('clusterLacks');
const REAL_USE = /^cgroup-v[12]$/;

/** The way to the guardian, and what it is told by this: it is a process of the same pod and the same user. */
const KILL_GUARDIAN = `
const { readdirSync, readFileSync } = require('node:fs');
for (const pid of readdirSync('/proc').filter(Number)) {
  const words = readFileSync('/proc/' + pid + '/cmdline', 'latin1').split('\\0');
  if (words[1]?.endsWith('/spillway.js') && words[2] === 'guard') process.kill(pid, 'SIGKILL');
}
process.stdout.write(String(Date.now()));`;

/** A task that ends by itself after some seconds. */
function task() {
  const template = agentTemplate({
    change: (spec) => {
      spec.restartPolicy = 'Never';
      spec.containers = [container('agent', ['node', '-e', 'setTimeout(() => console.log("done"), 3000)'])];
    },
  });
  return { backoffLimit: 0, template };
}

const injected = (pod: V1Pod | undefined) =>
  pod?.spec?.initContainers?.some(({ name }) => name === 'spillway') === true;

/** Waits for a pod that has come to its end, and gives it. */
function endedPod(namespace: string): Promise<V1Pod> {
  return until<V1Pod, V1Pod>(
    'a pod has ended',
    { path: pathOf('Pod', namespace) },
    (pods) => pods.find(({ status }) => ['Succeeded', 'Failed'].includes(status?.phase ?? '')),
    180_000 * PATIENCE,
  );
}

describe.skipIf(lacks !== '').concurrent(`a guarded pod${lacks && `: ${lacks}`}`, () => {
  it('should be ready again soon after its guardian was killed', async (context) => {
    const namespace = await makeNamespace(context);
    await create(agentPod(namespace, 'agent'));
    await untilPod(namespace, 'agent', 'it is Ready', isReady);
    const before = await untilStatus(namespace, 'agent', 'it is read', ({ usageSource }) =>
      REAL_USE.test(`${usageSource}`),
    );
    let lostAt: number | undefined;
    const backAt = untilPod(namespace, 'agent', 'it is Ready again', (pod, at) => {
      if (!isReady(pod)) lostAt ??= at;
      return pod.status?.initContainerStatuses?.[0]?.restartCount === 1 && isReady(pod) && at;
    });
    const killedAt = Number(await execIn(namespace, 'agent', 'agent', ['node', '-e', KILL_GUARDIAN]));
    const seconds = ((await backAt) - killedAt) / 1000;
    const unready = lostAt === undefined ? 0 : ((await backAt) - lostAt) / 1000;
    console.log(
      `guardian killed: Ready again after ${seconds.toFixed(1)} s, un-ready for ${unready.toFixed(1)} s`,
    );
    expect(seconds).toBeLessThan(5 * PATIENCE);
    const after = await untilStatus(namespace, 'agent', 'it is read again', ({ usageSource }) =>
      REAL_USE.test(`${usageSource}`),
    );
    expect(after.agent?.pid).toBe(before.agent?.pid);
    expect(after).toMatchObject({ level: 'ok', blind: false, oomKills: 0 });
  });

  it('should be judged by a new limit within a second of its reaching the cgroup', async (context) => {
    const namespace = await makeNamespace(context);
    await create(agentPod(namespace, 'agent'));
    await untilPod(namespace, 'agent', 'it is Ready', isReady);
    await untilStatus(namespace, 'agent', 'it is read', ({ limitSource }) => REAL_USE.test(`${limitSource}`));
    const watch = await startIn(namespace, 'agent', 'agent', ['node', '/programs/limit-watch.mjs']);
    expect(watch.first).toContain('armed');
    const patchedAt = Date.now();
    // a merge would replace the list of containers
    await patch(`${pathOf('Pod', namespace, 'agent')}/resize`, {
      spec: {
        containers: (agentPod(namespace, 'agent').spec?.containers ?? []).map((each) => ({
          ...each,
          resources: { ...each.resources, limits: { memory: '256Mi' } },
        })),
      },
    });
    const { before, kernel, guardian } = JSON.parse(await watch.rest);
    console.log(
      `resize: in the cgroup after ${kernel.at - patchedAt} ms, seen by the guardian ${guardian.at - kernel.at} ms later`,
    );
    expect([before, kernel.bytes, guardian.bytes]).toEqual([192 * MIB, 256 * MIB, 256 * MIB]);
    expect(guardian.at - kernel.at).toBeLessThan(1000);
    expect((await statusOf(namespace, 'agent')).agent?.restarts).toBe(0);
  });

  it('should complete as a Job does', async (context) => {
    const namespace = await makeNamespace(context);
    const job: V1Job & { kind: string } = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'task', namespace },
      spec: task(),
    };
    await create(job);
    const pod = await endedPod(namespace);
    expect(injected(pod)).toBe(true);
    expect(pod.status?.phase).toBe('Succeeded');
    await until<V1Job, boolean>('the Job is complete', { path: pathOf('Job', namespace) }, ([made]) =>
      made?.status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True'),
    );
    // a task that has done its work is no death
    const told = (await eventsOn(namespace, pod.metadata?.name ?? '')).filter(
      ({ type }) => type === 'Warning',
    );
    expect(told.map(({ reason }) => reason)).toEqual([]);
  });

  it('should complete as a CronJob does, time after time', async (context) => {
    const namespace = await makeNamespace(context);
    const cronJob: V1CronJob & { kind: string } = {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'task', namespace },
      spec: { schedule: '* * * * *', concurrencyPolicy: 'Forbid', jobTemplate: { spec: task() } },
    };
    await create(cronJob);
    const pod = await endedPod(namespace);
    expect(injected(pod)).toBe(true);
    expect(pod.status?.phase).toBe('Succeeded');
    await until<V1CronJob, boolean>(
      'nothing of it is active',
      { path: pathOf('CronJob', namespace) },
      ([made]) => made?.status?.lastSuccessfulTime !== undefined && (made.status.active ?? []).length === 0,
    );
  });

  it('should be guarded in the container that is named, of several', async (context) => {
    const namespace = await makeNamespace(context);
    const second = container('worker', ['node', '/programs/agent.mjs'], {
      env: [{ name: 'PORT', value: '8081' }],
      resources: { limits: { memory: '160Mi' } },
    });
    const pod = agentPod(namespace, 'agents', {
      annotations: { 'spillway.dev/agent-container': 'worker' },
      change: (spec) => void spec.containers.push(second),
    });
    await create(pod);
    await untilPod(namespace, 'agents', 'it is Ready', isReady);
    const status = await untilStatus(
      namespace,
      'agents',
      'one is read',
      // found early, its process is still the container runtime's
      ({ limitSource, agent }) => REAL_USE.test(`${limitSource}`) && agent?.name === 'agent.mjs',
    );
    expect(status).toMatchObject({ limitBytes: 160 * MIB, degraded: [] });
  });

  it('should say so when its agent has no limit', async (context) => {
    const namespace = await makeNamespace(context);
    const pod = agentPod(namespace, 'agent', {
      change: ({ containers: [agent] }) => {
        if (agent) agent.resources = {};
      },
    });
    const { warnings } = await create(pod);
    expect(warnings.join()).toMatch(/agent.*no memory limit/);
    await untilPod(namespace, 'agent', 'it is Ready', isReady);
    const status = await untilStatus(namespace, 'agent', 'it is read', ({ usageSource }) =>
      REAL_USE.test(`${usageSource}`),
    );
    expect(status).toMatchObject({ level: 'ok', ready: true, limitSource: 'machine' });
    expect(status.limitBytes).toBeGreaterThan(1024 * MIB);
    expect(status.degraded.map(({ code }) => code)).toContain('no_memory_limit');
  });

  it('should say so when its agent is of another user, and go by the RSS', async (context) => {
    const namespace = await makeNamespace(context, 'privileged');
    const pod = agentPod(namespace, 'agent', {
      change: (spec) => {
        spec.securityContext = {}; // the users are those of the images: they differ
      },
    });
    const { warnings } = await create(pod);
    expect(warnings.join()).toMatch(/runAsUser and runAsGroup/);
    await untilPod(namespace, 'agent', 'it is Ready', isReady);
    const denied = (text: string) => /permission denied.*same uid and gid/.test(text);
    const status = await untilStatus(namespace, 'agent', 'it is read', ({ degraded }) =>
      denied(JSON.stringify(degraded)),
    );
    expect(status).toMatchObject({
      blind: false,
      usageSource: 'rss',
      limitSource: 'downward-api',
      limitBytes: 192 * MIB,
    });
  });

  it('should be left as it is with hostPID, and kubectl told why', async (context) => {
    const namespace = await makeNamespace(context, 'privileged');
    const { made, warnings } = await create(
      agentPod(namespace, 'agent', { change: (spec) => void Object.assign(spec, { hostPID: true }) }),
    );
    expect(injected(made)).toBe(false);
    expect(warnings.join()).toMatch(/not injected.*hostPID/);
    await untilPod(namespace, 'agent', 'it is Ready', isReady);
  });
});
