import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import { CLUSTER_FAULTS, OUTAGE_SECONDS } from './support/environment.ts';
import { apiServerAnswers, component, nodesReady } from './support/faults.ts';
import { mibTo, statusOf, untilEvents, untilStatus } from './support/guardian.ts';
import { startLoad } from './support/load.ts';
import { makeNamespace } from './support/namespace.ts';
import { agentTemplate, askAgent, deploy, expose, readyPods } from './support/workload.ts';

const lacks = inject('clusterLacks');

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
});
