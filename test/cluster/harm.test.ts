import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { describe, expect, inject, it } from 'vitest';
import { create, pathOf, until } from './support/api.ts';
import { PATIENCE } from './support/environment.ts';
import { execIn } from './support/exec.ts';
import { eventsOn } from './support/guardian.ts';
import { makeNamespace } from './support/namespace.ts';
import { startCrowd } from './support/neighbour.ts';
import { failedProbes } from './support/probes.ts';
import { agentPod, agentTemplate, container, isReady, untilPod } from './support/workload.ts';

/* What a pod must not lose by being guarded, on a real cluster. */

const lacks = inject('clusterLacks');

/** Asks both servers of the guardian over IPv6, from a process of the pod: at its loopback and its link-local addresses. */
const ASK_BY_IPV6 = `
const { get } = require('node:http');
const hosts = Object.entries(require('node:os').networkInterfaces()).flatMap(([name, all]) =>
  all.filter(({ family }) => family === 'IPv6').map(({ address, scopeid }) => (scopeid ? address + '%' + name : address)));
const statuses = hosts.map((host) => new Promise((resolve) =>
  get({ host, port: 9797, path: '/readyz', headers: { host: 'localhost' } }, (answer) => resolve(host + ' ' + answer.resume().statusCode))
    .on('error', ({ code }) => resolve(host + ' ' + code))));
Promise.all(statuses).then((all) => console.log(all.join('\\n')));`;

describe.skipIf(lacks !== '').concurrent(`no harm${lacks && `: ${lacks}`}`, () => {
  it.for([
    // to the critical level, and resting there; and without a pause, so that the kill is foreseen until the work is done
    ['Never', 'rests there', 0.94, 20, 30],
    ['OnFailure', 'grows to its end', 0.97, 30, 1],
  ] as const)('should let a Job with restartPolicy %s end whose use %s', async ([
    restartPolicy,
    ,
    ...shape
  ], context) => {
    const namespace = await makeNamespace(context);
    const template = agentTemplate({
      limitMib: 256,
      change: (spec) => {
        spec.restartPolicy = restartPolicy;
        const resources = { requests: { memory: '64Mi' }, limits: { memory: '256Mi' } };
        const command = ['node', '/programs/job.mjs', ...shape.map(String)];
        spec.containers = [container('agent', command, { resources })];
      },
    });
    const metadata = { name: 'work', namespace };
    await create<V1Job & { kind: string }>({
      ...{ apiVersion: 'batch/v1', kind: 'Job', metadata },
      spec: { backoffLimit: 0, template },
    });
    const pod = await until<V1Pod, V1Pod>(
      'the work has ended',
      { path: pathOf('Pod', namespace) },
      (pods) => pods.find(({ status }) => ['Succeeded', 'Failed'].includes(status?.phase ?? '')),
      180_000 * PATIENCE,
    );
    expect(pod.spec?.initContainers?.[0]?.name).toBe('spillway');
    const [agent] = pod.status?.containerStatuses ?? [];
    const events = await eventsOn(namespace, pod.metadata?.name ?? '');
    console.log(
      `${restartPolicy}: ${agent?.state?.terminated?.message}; ${events.map(({ reason }) => reason)}`,
    );
    expect(agent?.state?.terminated).toMatchObject({ exitCode: 0, message: expect.stringContaining('done') });
    expect(agent?.restartCount).toBe(0);
    expect(events.map(({ reason }) => reason)).toContain('MemoryPressureCritical');
    expect(events.map(({ reason }) => reason)).not.toContain('AgentRecycled');
    const done = await until<V1Job, boolean>(
      'the Job is complete',
      { path: pathOf('Job', namespace) },
      ([job]) =>
        job?.status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True'),
      60_000 * PATIENCE,
    );
    expect(done).toBe(true);
  });

  it('should answer probes at every IPv6 address of the pod', async (context) => {
    const namespace = await makeNamespace(context);
    await create(agentPod(namespace, 'agent'));
    await untilPod(namespace, 'agent', 'it is Ready', isReady);
    const answers = (await execIn(namespace, 'agent', 'agent', ['node', '-e', ASK_BY_IPV6]))
      .trim()
      .split('\n');
    if (answers.join('') === '') return context.skip('pods of this cluster have no IPv6 address');
    console.log(`by IPv6: ${answers.join(', ')}`);
    for (const answer of answers) expect(answer).toMatch(/ 200$/);
  });

  it('should be probed in vain not once while a neighbour holds 3,000 connections', async (context) => {
    const namespace = await makeNamespace(context);
    // the second one shows what a busy machine alone does to probes
    const names = ['crowded', 'beside'] as const;
    for (const name of names) await create(agentPod(namespace, name));
    const [address] = await Promise.all(
      names.map((name) =>
        untilPod(namespace, name, 'it is Ready', (pod) => isReady(pod) && pod.status?.podIP),
      ),
    );
    const failed = () => Promise.all(names.map((name) => failedProbes(namespace, name, 'spillway')));
    const before = await failed();
    await startCrowd(namespace, 'crowd', ['idle', address ?? '', 9797, 3000]);
    await sleep(20_000);
    const [crowded = 0, beside = 0] = (await failed()).map((count, i) => count - (before[i] ?? 0));
    console.log(
      `probes that failed in 20 s beside 3,000 connections: ${crowded}; of a pod without: ${beside}`,
    );
    expect(crowded).toBeLessThanOrEqual(beside);
  });
});
