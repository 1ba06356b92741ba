import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Deployment } from '@kubernetes/client-node';
import type { TestContext } from 'vitest';
import { describe, expect, inject, it } from 'vitest';
import { ask, pathOf, until } from './support/api.ts';
import { PATIENCE } from './support/environment.ts';
import { type LoadReport, startLoad } from './support/load.ts';
import { makeNamespace } from './support/namespace.ts';
import { agentTemplate, deploy, expose, patch, readyPods } from './support/workload.ts';

const AFTERWARDS_MS = 3000;
const lacks = inject('clusterLacks');

/** All pods are of the latest template, and none is left of earlier ones. */
function rolledOut(namespace: string): Promise<boolean> {
  return until<V1Deployment, boolean>(
    'the rollout is done',
    { path: pathOf('Deployment', namespace) },
    ([deployment]) => {
      const { observedGeneration, replicas, updatedReplicas, availableReplicas } = deployment?.status ?? {};
      const current = observedGeneration === deployment?.metadata?.generation;
      return current && replicas === 2 && updatedReplicas === 2 && availableReplicas === 2;
    },
    180_000 * PATIENCE,
  );
}

/** What became of the requests of users while all pods were replaced, and then one was deleted. */
async function whileReplaced(context: TestContext, guarded: boolean): Promise<LoadReport> {
  const namespace = await makeNamespace(context);
  const url = await expose(namespace, 'agent');
  await deploy(namespace, 'agent', 2, agentTemplate({ guarded }));
  const before = await readyPods(namespace, 'agent', 2);
  expect(before[0]?.spec?.initContainers?.length ?? 0).toBe(guarded ? 1 : 0);
  const load = await startLoad(namespace, url, 10);
  await sleep(1000);
  const restartedAt = new Date().toISOString();
  await patch(pathOf('Deployment', namespace, 'agent'), {
    spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': restartedAt } } } },
  });
  await rolledOut(namespace);
  const [pod] = await readyPods(namespace, 'agent', 2);
  await ask('DELETE', pathOf('Pod', namespace, pod?.metadata?.name));
  await readyPods(namespace, 'agent', 2);
  await sleep(AFTERWARDS_MS);
  return load.report();
}

describe.skipIf(lacks !== '')(`a rollout and a deleted pod under load${lacks && `: ${lacks}`}`, () => {
  it.concurrent('should fail no request, as without a guard', async (context) => {
    const [guarded, bare] = await Promise.all([whileReplaced(context, true), whileReplaced(context, false)]);
    const told = ({ served, shed, failed, reconnects, slowestMs }: LoadReport) =>
      `${served} served, ${shed} refused, ${failed} failed, ${reconnects} reconnects, slowest ${slowestMs} ms`;
    console.log(`guarded: ${told(guarded)}\nunguarded: ${told(bare)}`);
    expect(Object.keys(guarded.by).length).toBeGreaterThanOrEqual(4);
    // what Kubernetes itself loses is not the guardian's
    expect(guarded.failures.slice(bare.failed)).toEqual([]);
    expect(guarded.failed).toBeLessThanOrEqual(bare.failed);
  });
});
