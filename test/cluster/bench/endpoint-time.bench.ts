import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { expect, inject, it, onTestFinished } from 'vitest';
import type { RenderedHistory } from '../../../src/core/report/history.ts';
import { pathOf, until } from '../support/api.ts';
import { KUBELET_LOG } from '../support/environment.ts';
import { askGuardian, mibTo, statusOf, untilServing, untilStatus } from '../support/guardian.ts';
import { injectedWith } from '../support/injected.ts';
import { makeNamespace } from '../support/namespace.ts';
import { agentTemplate, askAgent, deploy, expose, isReady, readyPods } from '../support/workload.ts';

/*
 * From the moment an agent's memory crosses the shed ratio until its pod is out of the EndpointSlice, and what each part takes.
 * All of a cluster of one node, so that one clock tells all times.
 */

const PODS = 20;
const AT_ONCE = 10;
const SHED = 0.85;
const REFUSING = new Set<string>(['shedding', 'critical']);
const lacks = inject('clusterLacks');

interface Parts {
  /** Crossing → the guardian's level is shedding. */
  guardian: number;
  /** Shedding → the kubelet has taken the probe's 503 for its answer; not known without its log. */
  probe: number;
  /** → the pod is not Ready in the API. */
  status: number;
  /** → it is not ready in the EndpointSlice. */
  controller: number;
  total: number;
}

/** When the kubelet took note that a pod is not ready, last of all; its log has local times. */
async function notedAt(namespace: string, pod: string, afterMs: number): Promise<number> {
  if (!KUBELET_LOG) return Number.NaN;
  const line = new RegExp(
    `^I(\\d\\d)(\\d\\d) (\\d\\d):(\\d\\d):(\\d\\d\\.\\d+) .*"SyncLoop \\(probe\\)" probe="readiness" status="not ready" pod="${namespace}/${pod}"`,
  );
  for (const text of (await readFile(KUBELET_LOG, 'utf8')).split('\n')) {
    const [, month, day, hour, minute, second] = line.exec(text)?.map(Number) ?? [];
    if (month === undefined || day === undefined || second === undefined) continue;
    const at =
      new Date(new Date(afterMs).getFullYear(), month - 1, day, hour, minute, 0).getTime() + second * 1000;
    if (at >= afterMs) return at;
  }
  return Number.NaN;
}

/** When use met the ratio between two readings, and when the guardian said so. */
async function crossing(
  namespace: string,
  pod: string,
  startMs: number,
): Promise<{ crossedAt: number; saidAt: number }> {
  const { readings, transitions } = await askGuardian<RenderedHistory>(namespace, pod, '/v1/history');
  const saidAt = Date.parse(
    transitions.find(({ at, to }) => Date.parse(at) > startMs && REFUSING.has(to))?.at ?? '',
  );
  const above = readings.findIndex(({ at, ratio }) => Date.parse(at) >= saidAt - 100 && ratio >= SHED);
  const [before, after] = [readings[above - 1], readings[above]];
  if (!before || !after) throw new Error('the crossing is not in the history');
  const share = (SHED - before.ratio) / (after.ratio - before.ratio);
  const start = Date.parse(before.at);
  return { crossedAt: start + share * (Date.parse(after.at) - start), saidAt };
}

async function measure(namespace: string, pod: string, holdSeconds: number): Promise<Parts> {
  const mib = mibTo(0.88, await statusOf(namespace, pod));
  const startMs = Date.now();
  const unready = until<V1Pod, number>(
    `${pod} is not Ready`,
    { path: pathOf('Pod', namespace), query: { fieldSelector: `metadata.name=${pod}` } },
    ([each], { at }) => each !== undefined && !isReady(each) && at,
  );
  const out = untilServing(namespace, 'agent', pod, false);
  const working = askAgent(namespace, pod, 'POST', `/work?mib=${mib}&over=3&seconds=${holdSeconds}`);
  const [unreadyAt, outAt] = await Promise.all([unready, out]);
  await working;
  const { crossedAt, saidAt } = await crossing(namespace, pod, startMs);
  const noted = await notedAt(namespace, pod, startMs);
  return {
    guardian: saidAt - crossedAt,
    probe: noted - saidAt,
    status: unreadyAt - noted,
    controller: outAt - unreadyAt,
    total: outAt - crossedAt,
  };
}

function quantiles(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
  return `${at(0.5)} / ${at(0.95)} / ${at(1)}`;
}

// the first is what is injected; the others what a probe of Kubernetes' defaults would make of it
it.skipIf(lacks !== '').each([
  { periodSeconds: 1, failureThreshold: 1 },
  { periodSeconds: 5, failureThreshold: 1 },
  { periodSeconds: 10, failureThreshold: 3 },
])('with a probe every $periodSeconds s, $failureThreshold failures', async (probe) => {
  const namespace = await makeNamespace({ onTestFinished });
  await expose(namespace, 'agent');
  const template = injectedWith(
    agentTemplate({ limitMib: 128, guarded: false }),
    ({ readinessProbe }) => void Object.assign(readinessProbe ?? {}, probe),
  );
  await deploy(namespace, 'agent', PODS, template);
  const names = (await readyPods(namespace, 'agent', PODS)).map(({ metadata }) => metadata?.name ?? '');
  for (const name of names)
    await untilStatus(
      namespace,
      name,
      'it is read',
      ({ usageSource }) => usageSource?.startsWith('cgroup') === true,
    );
  const holdSeconds = 8 + probe.periodSeconds * probe.failureThreshold;
  const parts: Parts[] = [];
  for (let i = 0; i < names.length; i += AT_ONCE) {
    const batch = names.slice(i, i + AT_ONCE).map(async (name, j) => {
      await sleep(j * 300 + Math.random() * 1000); // at any phase of the probes
      return measure(namespace, name, holdSeconds);
    });
    parts.push(...(await Promise.all(batch)));
  }
  expect(parts).toHaveLength(PODS);
  const of = (key: keyof Parts) => quantiles(parts.map((each) => each[key]));
  console.log(
    `every ${probe.periodSeconds} s × ${probe.failureThreshold}, ms p50 / p95 / max of ${PODS}: guardian ${of('guardian')}, probe ${of('probe')}, kubelet to API ${of('status')}, endpoint controller ${of('controller')}, all ${of('total')}`,
  );
});
