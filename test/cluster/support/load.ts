import { ask, create, pathOf } from './api.ts';
import { container, isReady, podSpec, untilPod } from './workload.ts';

/** What became of the requests sent in a stretch of time. `by`: served, by the pod that did. */
export interface LoadReport {
  now: number;
  served: number;
  shed: number;
  failed: number;
  by: Record<string, number>;
  /** Of all requests: how often nobody took the connection at first. */
  reconnects: number;
  /** When, what and how fast. */
  failures: string[];
  slowestMs: number;
}

/** A pod that asks `url` so many times a second, and keeps the books. */
export async function startLoad(namespace: string, url: string, perSecond: number, name = 'load') {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { 'spillway.dev/inject': 'false' } },
    spec: podSpec([
      container('load', ['node', '/programs/load.mjs', url, `${perSecond}`], {
        readinessProbe: {
          httpGet: { path: '/report?from=1e15', port: 8000 },
          periodSeconds: 1,
          timeoutSeconds: 3,
        },
      }),
    ]),
  };
  await create(pod);
  await untilPod(namespace, name, 'the load is made', isReady);
  return {
    report(from = 0, to = Number.MAX_SAFE_INTEGER): Promise<LoadReport> {
      return ask('GET', `${pathOf('Pod', namespace, `${name}:8000`)}/proxy/report?from=${from}&to=${to}`);
    },
  };
}
