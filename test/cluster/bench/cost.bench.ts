import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { expect, inject, it, onTestFinished } from 'vitest';
import { ask, create, pathOf } from '../support/api.ts';
import { untilStatus } from '../support/guardian.ts';
import { injectedWith } from '../support/injected.ts';
import { startLoad } from '../support/load.ts';
import { makeNamespace } from '../support/namespace.ts';
import {
  agentPod,
  agentTemplate,
  deploy,
  expose,
  isReady,
  MIB,
  readyPods,
  untilPod,
} from '../support/workload.ts';

/* What the guardian costs in a cluster: CPU and memory of the sidecar, idle and under load, and time at a pod's start. */

const PODS = 20;
/** 20 pods for 3 minutes: an hour of idle sidecars. */
const IDLE_MS = 180_000;
const LOAD_MS = 60_000;
const STARTS = 10;
const lacks = inject('clusterLacks');

interface Use {
  cpuSeconds: number;
  workingSetBytes: number;
  rssBytes: number;
}

/** What the kubelets say of the sidecars of a namespace, by pod; their own figures are some 10 s old. */
async function useOf(namespace: string): Promise<{ atMs: number; pods: Map<string, Use> }> {
  interface Summary {
    pods: {
      podRef: { name: string; namespace: string };
      containers?: {
        name: string;
        cpu?: { time: string; usageCoreNanoSeconds?: number };
        memory?: { workingSetBytes?: number; rssBytes?: number };
      }[];
    }[];
  }
  const { items } = await ask<{ items: V1Node[] }>('GET', '/api/v1/nodes');
  const pods = new Map<string, Use>();
  let atMs = 0;
  for (const { metadata } of items) {
    const summary = await ask<Summary>('GET', `/api/v1/nodes/${metadata?.name}/proxy/stats/summary`);
    for (const { podRef, containers } of summary.pods) {
      const sidecar = containers?.find(({ name }) => name === 'spillway');
      if (podRef.namespace !== namespace || !sidecar) continue;
      atMs = Math.max(atMs, Date.parse(sidecar.cpu?.time ?? ''));
      pods.set(podRef.name, {
        cpuSeconds: (sidecar.cpu?.usageCoreNanoSeconds ?? 0) / 1e9,
        workingSetBytes: sidecar.memory?.workingSetBytes ?? 0,
        rssBytes: sidecar.memory?.rssBytes ?? 0,
      });
    }
  }
  return { atMs, pods };
}

/** Waits, and gives CPU in thousandths of a core and the memory at the end, of all sidecars together. */
async function over(namespace: string, waitMs: number): Promise<string> {
  const before = await useOf(namespace);
  await sleep(waitMs);
  const after = await useOf(namespace);
  const seconds = (after.atMs - before.atMs) / 1000;
  const cpu = [...after.pods].map(
    ([name, { cpuSeconds }]) => ((cpuSeconds - (before.pods.get(name)?.cpuSeconds ?? 0)) / seconds) * 1000,
  );
  const memory = (key: 'workingSetBytes' | 'rssBytes') =>
    [...after.pods.values()].map((use) => use[key] / MIB);
  const told = (values: number[], digits: number) =>
    `${(values.reduce((a, b) => a + b, 0) / values.length).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
  expect(after.pods.size).toBeGreaterThan(0);
  return `over ${seconds.toFixed(0)} s of ${after.pods.size} sidecars: CPU ${told(cpu, 1)} m, working set ${told(memory('workingSetBytes'), 0)} MiB, RSS ${told(memory('rssBytes'), 0)} MiB`;
}

const isRead = ({ usageSource }: { usageSource: string | null }) =>
  usageSource?.startsWith('cgroup') === true;

it.skipIf(lacks !== '')('an hour of idle sidecars, and a minute under load', async () => {
  const namespace = await makeNamespace({ onTestFinished });
  const url = await expose(namespace, 'agent');
  await deploy(namespace, 'agent', PODS, agentTemplate());
  for (const { metadata } of await readyPods(namespace, 'agent', PODS))
    await untilStatus(namespace, metadata?.name ?? '', 'it is read', isRead);
  await sleep(15_000);
  console.log(`idle ${await over(namespace, IDLE_MS)}`);
  await startLoad(namespace, url, 200);
  await sleep(15_000);
  console.log(`agents at 10 requests/s each ${await over(namespace, LOAD_MS)}`);
});

/** From the creation of a pod to its being Ready in the API, in milliseconds. */
async function startMs(namespace: string, pod: V1Pod & { kind: string }): Promise<number> {
  const name = pod.metadata?.name ?? '';
  const startMs = Date.now();
  const { made } = await create(pod);
  const readyAt = await untilPod(namespace, name, 'it is Ready', (each, at) => isReady(each) && at);
  expect(made.spec?.initContainers?.length ?? 0, name).toBe(name.startsWith('bare') ? 0 : 1);
  await ask('DELETE', `${pathOf('Pod', namespace, name)}?gracePeriodSeconds=0`);
  return readyAt - startMs;
}

it.skipIf(lacks !== '')('what a guard adds to the start of a pod', async () => {
  const namespace = await makeNamespace({ onTestFinished });
  const unguarded = (name: string) => agentPod(namespace, name, { guarded: false });
  const pods: Record<string, (name: string) => V1Pod & { kind: string }> = {
    bare: unguarded,
    guarded: (name) => agentPod(namespace, name),
    // the agent would start after its guardian, not beside it
    'guarded-with-startup-probe': (name) =>
      injectedWith(unguarded(name), (sidecar) => {
        const httpGet = { path: '/livez', port: 9797 };
        sidecar.startupProbe = { httpGet, periodSeconds: 1, failureThreshold: 60 };
      }),
  };
  const times = new Map(Object.keys(pods).map((kind) => [kind, [] as number[]]));
  for (let i = 0; i < STARTS; i++)
    for (const [kind, make] of Object.entries(pods))
      times.get(kind)?.push(await startMs(namespace, make(`${kind}-${i}`)));
  for (const [kind, values] of times) {
    const sorted = values.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    console.log(`${kind}: Ready after ${median} ms (${sorted[0]}–${sorted.at(-1)} of ${STARTS})`);
  }
});
