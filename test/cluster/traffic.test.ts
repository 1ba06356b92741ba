import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import {
  eventsOn,
  metricOf,
  mibTo,
  statusOf,
  untilEvents,
  untilServing,
  untilStatus,
} from './support/guardian.ts';
import { startLoad } from './support/load.ts';
import { makeNamespace } from './support/namespace.ts';
import { agentTemplate, askAgent, deploy, expose, MIB, readyPods, untilPod } from './support/workload.ts';

/** kube-proxy rewrites its rules after the EndpointSlice has changed. */
const PROXY_MS = 2000;

const lacks = inject('clusterLacks');
describe.skipIf(lacks !== '').concurrent(`a guarded agent behind a Service${lacks && `: ${lacks}`}`, () => {
  it('should lose its traffic under pressure to the other replica, and get it back', async (context) => {
    const namespace = await makeNamespace(context);
    const url = await expose(namespace, 'agent');
    // left alone: to be ended in order, as a steep rise is reason for, would be another story
    await deploy(namespace, 'agent', 2, agentTemplate({ annotations: { 'spillway.dev/recycle': 'off' } }));
    const pods = await readyPods(namespace, 'agent', 2);
    const [pressed = '', other = ''] = pods.map(({ metadata }) => metadata?.name ?? '');
    expect(pods[0]?.spec?.initContainers?.[0]).toMatchObject({ name: 'spillway', restartPolicy: 'Always' });

    const load = await startLoad(namespace, url, 10);
    await untilStatus(namespace, pressed, 'its agent is read', ({ usageSource }) => usageSource !== null);
    // heavy requests that need what brings it to 88 % of its limit, for a while
    const mib = mibTo(0.88, await statusOf(namespace, pressed));
    const working = askAgent(namespace, pressed, 'POST', `/work?mib=${mib}&over=5&seconds=20`);
    const leftAt = await untilServing(namespace, 'agent', pressed, false);
    const events = await untilEvents(namespace, pressed, 'MemoryPressureWarning', 'MemoryPressureShedding');
    await working;
    const freedAt = Date.now();
    await untilEvents(namespace, pressed, 'MemoryPressureRecovered');
    const backAt = await untilServing(namespace, 'agent', pressed, true);
    await sleep(PROXY_MS + 1500);

    const times = events.map(({ at }) => at);
    expect(times).toEqual(times.toSorted());
    expect(events.find(({ reason }) => reason === 'MemoryPressureShedding')?.at).toBeLessThan(leftAt);
    const meanwhile = await load.report(leftAt + PROXY_MS, freedAt);
    expect(Object.keys(meanwhile.by)).toEqual([other]);
    expect(meanwhile.served).toBeGreaterThan(20);
    const after = await load.report(backAt + PROXY_MS);
    expect(Object.keys(after.by)).toContain(pressed);
    expect((await load.report()).failures).toEqual([]);
    const { restarts } = (await statusOf(namespace, pressed)).agent ?? {};
    expect(restarts).toBe(0);
  });

  it('should be told of before and after a kill that cannot be prevented, counted and found again', async (context) => {
    const namespace = await makeNamespace(context);
    await deploy(namespace, 'agent', 1, agentTemplate({ annotations: { 'spillway.dev/recycle': 'off' } }));
    const [pod] = await readyPods(namespace, 'agent', 1);
    const name = pod?.metadata?.name ?? '';
    const before = await untilStatus(
      namespace,
      name,
      'its agent is read',
      ({ usageSource }) => usageSource !== null,
    );
    await askAgent(namespace, name, 'POST', '/grow?mib=400&rate=40');
    const events = await untilEvents(namespace, name, 'MemoryPressureShedding', 'AgentOOMKilled');
    const at = (wanted: string) => events.find(({ reason }) => reason === wanted)?.at ?? Number.NaN;
    const killed = await untilPod(namespace, name, 'the kubelet says so too', ({ status }) =>
      status?.containerStatuses?.find(({ lastState }) => lastState?.terminated?.reason === 'OOMKilled'),
    );
    const finishedAt = Date.parse(`${killed.lastState?.terminated?.finishedAt}`);
    expect(at('MemoryPressureWarning')).toBeLessThan(at('MemoryPressureShedding'));
    expect(at('MemoryPressureShedding')).toBeLessThan(at('AgentOOMKilled'));
    expect(at('MemoryPressureShedding')).toBeLessThan(finishedAt + 1000); // its times are whole seconds
    expect(events.find(({ reason }) => reason === 'AgentOOMKilled')).toMatchObject({
      type: 'Warning',
      note: expect.stringMatching(/OOM killer .*at \d+ % of 192 MiB/),
    });

    const after = await untilStatus(
      namespace,
      name,
      'the next is guarded',
      ({ agent, usageSource }) => agent?.restarts === 1 && usageSource !== null,
    );
    expect(after.agent?.pid).not.toBe(before.agent?.pid);
    expect(after).toMatchObject({ limitBytes: 192 * MIB, degraded: [], lastDeath: { cause: 'oom-killed' } });
    expect(await metricOf(namespace, name, 'spillway_agent_restarts_total')).toBe(1);
    expect(await metricOf(namespace, name, 'spillway_oom_kills_total')).toBeGreaterThanOrEqual(1);
    await readyPods(namespace, 'agent', 1);
    expect(
      (await eventsOn(namespace, name)).filter(({ reason }) => reason === 'AgentOOMKilled'),
    ).toHaveLength(1);
  });
});
