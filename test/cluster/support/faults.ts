import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { V1Node } from '@kubernetes/client-node';
import { call, until } from './api.ts';
import { CLUSTER_FAULTS, PATIENCE } from './environment.ts';

const run = promisify(execFile);

/** Stops or starts a component of the cluster. */
export async function component(verb: 'stop' | 'start', name: string): Promise<void> {
  await run(CLUSTER_FAULTS ?? '', [verb, name], { timeout: 60_000 });
}

export async function apiServerAnswers(): Promise<void> {
  const end = Date.now() + 120_000 * PATIENCE;
  while (Date.now() < end) {
    const answer = await call('GET', '/readyz').catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(500);
  }
  throw new Error('the API server did not come back');
}

/** After a while without an API server, nodes are taken for dead until they have been heard of again. */
export async function nodesReady(): Promise<void> {
  await until<V1Node, boolean>('all nodes are Ready', { path: '/api/v1/nodes' }, (nodes) =>
    nodes.every(({ status }) =>
      status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    ),
  );
}
