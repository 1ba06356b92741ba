import { ask, call } from './api.ts';

/** How many probes of a pod's container failed so far, of all kinds, by the count of the kubelet that sends them. */
export async function failedProbes(namespace: string, pod: string, container: string): Promise<number> {
  const { items } = await ask<{ items: { metadata: { name: string } }[] }>('GET', '/api/v1/nodes');
  let failed = 0;
  for (const { metadata } of items) {
    const { text } = await call('GET', `/api/v1/nodes/${metadata.name}/proxy/metrics/probes`);
    for (const line of text.split('\n'))
      if (
        line.startsWith('prober_probe_total{') &&
        line.includes(`namespace="${namespace}"`) &&
        line.includes(`pod="${pod}"`) &&
        line.includes(`container="${container}"`) &&
        line.includes('result="failed"')
      )
        failed += Number(line.split(' ').at(-1));
  }
  return failed;
}
