import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { V1Node, V1Pod, V1PodCondition } from '@kubernetes/client-node';
import { describe, expect, inject, it } from 'vitest';
import { ask, call, create, pathOf, until } from './support/api.ts';
import { CLUSTER_FAULTS, KUBELET_CONFIG, OUTAGE_SECONDS, PATIENCE } from './support/environment.ts';
import { eventsOn, mibTo, statusOf, untilEvents, untilStatus } from './support/guardian.ts';
import { startLoad } from './support/load.ts';
import { makeNamespace } from './support/namespace.ts';
import {
  agentPod,
  agentTemplate,
  askAgent,
  deploy,
  expose,
  isReady,
  MIB,
  readyPods,
  untilPod,
} from './support/workload.ts';

const run = promisify(execFile);
const lacks = inject('clusterLacks');

/** Stops or starts a component of the cluster. */
async function component(verb: 'stop' | 'start', name: string): Promise<void> {
  await run(CLUSTER_FAULTS ?? '', [verb, name], { timeout: 60_000 });
}

async function apiServerAnswers(): Promise<void> {
  const end = Date.now() + 120_000 * PATIENCE;
  while (Date.now() < end) {
    const answer = await call('GET', '/readyz').catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(500);
  }
  throw new Error('the API server did not come back');
}

// one after the other: what is broken is broken for all
const cannot = lacks || (CLUSTER_FAULTS ? '' : 'TEST_CLUSTER_FAULTS names no way to stop its parts');
describe.skipIf(cannot !== '')(`a cluster with a fault${cannot && `: ${cannot}`}`, () => {
  it(`should get what was to be told after ${OUTAGE_SECONDS} s without its API server, in order`, async (context) => {
    const namespace = await makeNamespace(context);
    const url = await expose(namespace, 'agent');
    await deploy(namespace, 'agent', 2, agentTemplate({ annotations: { 'spillway.dev/recycle': 'off' } }));
    const [pod] = await readyPods(namespace, 'agent', 2);
    const name = pod?.metadata?.name ?? '';
    await untilStatus(
      namespace,
      name,
      'it is read',
      ({ usageSource }) => usageSource !== 'rss' && usageSource !== null,
    );
    const load = await startLoad(namespace, url, 10);
    const mib = mibTo(0.88, await statusOf(namespace, name));
    // in work for as long as the server is away, from soon after it went
    await askAgent(
      namespace,
      name,
      'POST',
      `/later?after=15&mib=${mib}&over=5&seconds=${OUTAGE_SECONDS - 30}`,
    );
    const goneAt = Date.now();
    await component('stop', 'apiserver');
    try {
      await sleep(OUTAGE_SECONDS * 1000);
    } finally {
      await component('start', 'apiserver');
    }
    const backAt = Date.now();
    await apiServerAnswers();
    await nodesReady();
    const events = await untilEvents(namespace, name, 'MemoryPressureShedding', 'MemoryPressureRecovered');
    const told = events.filter(({ at }) => at > goneAt).map(({ reason }) => reason);
    const shedding = events.find(({ reason }) => reason === 'MemoryPressureShedding');
    expect(shedding?.at).toBeLessThan(backAt);
    const levels = told.filter((reason) => /^MemoryPressure/.test(reason));
    expect(levels).toEqual(['MemoryPressureWarning', 'MemoryPressureShedding', 'MemoryPressureRecovered']);
    const [after] = (await readyPods(namespace, 'agent', 2)).filter(
      ({ metadata }) => metadata?.name === name,
    );
    const restarts = [
      ...(after?.status?.initContainerStatuses ?? []),
      ...(after?.status?.containerStatuses ?? []),
    ];
    expect(restarts.map(({ restartCount }) => restartCount)).toEqual([0, 0]);
    expect(await statusOf(namespace, name)).toMatchObject({ level: 'ok', ready: true, blind: false });
    // a server that comes back takes its nodes for dead until it has heard of them, and their pods out of service
    const settledAt = Date.now();
    await sleep(3000);
    for (const [from, to] of [
      [0, backAt],
      [settledAt, Number.MAX_SAFE_INTEGER],
    ] as const)
      expect((await load.report(from, to)).failures).toEqual([]);
  });

  it.skipIf(!KUBELET_CONFIG)(
    'should find no death by its limit told when its node ran short and evicted',
    async (context) => {
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
    },
  );
});

/** After a while without an API server, nodes are taken for dead until they have been heard of again. */
async function nodesReady(): Promise<void> {
  await until<V1Node, boolean>('all nodes are Ready', { path: '/api/v1/nodes' }, (nodes) =>
    nodes.every(({ status }) =>
      status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    ),
  );
}

/** Memory that the kubelet counts as available, in bytes. */
async function freeBytes(): Promise<number> {
  const { items } = await ask<{ items: V1Node[] }>('GET', '/api/v1/nodes');
  const path = `/api/v1/nodes/${items[0]?.metadata?.name}/proxy/stats/summary`;
  const { node } = await ask<{ node: { memory: { availableBytes: number } } }>('GET', path);
  return node.memory.availableBytes;
}
