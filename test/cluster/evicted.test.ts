import { readFile, writeFile } from 'node:fs/promises';
import type { V1Node, V1Pod, V1PodCondition } from '@kubernetes/client-node';
import { describe, expect, inject, it } from 'vitest';
import { ask, create, pathOf, until } from './support/api.ts';
import { CLUSTER_FAULTS, KUBELET_CONFIG, PATIENCE } from './support/environment.ts';
import { component, nodesReady } from './support/faults.ts';
import { eventsOn, statusOf, untilStatus } from './support/guardian.ts';
import { makeNamespace } from './support/namespace.ts';
import { agentPod, askAgent, isReady, MIB, untilPod } from './support/workload.ts';

const lacks = inject('clusterLacks');
const cannot =
  lacks ||
  (CLUSTER_FAULTS ? '' : 'TEST_CLUSTER_FAULTS names no way to stop its parts') ||
  (KUBELET_CONFIG ? '' : 'TEST_KUBELET_CONFIG names no kubelet of its own');

describe.skipIf(cannot !== '')(`a node short of memory${cannot && `: ${cannot}`}`, () => {
  it('should find no death by its limit told when it evicts', async (context) => {
    const namespace = await makeNamespace(context);
    await create(agentPod(namespace, 'modest'));
    const hungry = agentPod(namespace, 'hungry', {
      change: ({ containers: [agent] }) => {
        if (agent) agent.resources = { requests: { memory: '32Mi' } };
      },
    });
    await create(hungry);
    for (const name of ['modest', 'hungry']) await untilPod(namespace, name, 'it is Ready', isReady);
    await untilStatus(
      namespace,
      'hungry',
      'it is read',
      ({ usageSource }) => usageSource !== 'rss' && usageSource !== null,
    );
    const original = await readFile(KUBELET_CONFIG, 'utf8');
    const free = await freeBytes();
    const thresholdMib = Math.floor(free / MIB) - 400;
    try {
      await writeFile(
        KUBELET_CONFIG,
        original.replace(/memory\.available: \w+/, `memory.available: ${thresholdMib}Mi`),
      );
      await component('stop', 'kubelet');
      await component('start', 'kubelet');
      await askAgent(namespace, 'hungry', 'POST', '/grow?mib=800&rate=50');
      // the pod's reason may be lost where its agent ends with 0: the condition is not
      const evicted = await until<V1Pod, V1PodCondition>(
        'the hungry one is evicted',
        { path: pathOf('Pod', namespace), query: { fieldSelector: 'metadata.name=hungry' } },
        ([pod]) => pod?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget') ?? false,
        120_000 * PATIENCE,
      );
      expect(evicted).toMatchObject({ status: 'True', reason: 'TerminationByKubelet' });
      console.log(`evicted: ${evicted.message}`);
    } finally {
      await writeFile(KUBELET_CONFIG, original);
      await component('stop', 'kubelet');
      await component('start', 'kubelet');
    }
    await nodesReady();
    await untilPod(namespace, 'modest', 'it is Ready', isReady);
    expect(await statusOf(namespace, 'modest')).toMatchObject({ level: 'ok', ready: true });
    const told = [...(await eventsOn(namespace, 'hungry')), ...(await eventsOn(namespace, 'modest'))];
    console.log(`told: ${told.map(({ reason, note }) => `${reason}: ${note}`).join('\n')}`);
    expect(told.map(({ reason }) => reason)).not.toContain('AgentOOMKilled');
  });
});

/** Memory that the kubelet counts as available, in bytes. */
async function freeBytes(): Promise<number> {
  const { items } = await ask<{ items: V1Node[] }>('GET', '/api/v1/nodes');
  const path = `/api/v1/nodes/${items[0]?.metadata?.name}/proxy/stats/summary`;
  const { node } = await ask<{ node: { memory: { availableBytes: number } } }>('GET', path);
  return node.memory.availableBytes;
}
