import { randomUUID } from 'node:crypto';
import { type ApiResponse, createApiConnection } from '../../adapters/kubernetes-https.ts';
import type { Config } from '../../config/options.ts';
import { formatAddress } from '../../core/lib/address.ts';
import { messageOf, SpillwayError } from '../../core/lib/errors.ts';
import { eventRights } from '../../core/report/kubernetes-event.ts';
import { type Cluster, type FindClusterOptions, findCluster } from '../../sources/kubernetes-pod.ts';
import { fail, inPod, type Outcome, pass, warn } from './check.ts';
import { toApiServer, token } from './manifest.ts';

const WHY = 'without it `kubectl describe pod` shows no pressure; log, metrics and webhook do';
/** An API server answers within milliseconds; what takes this long is dropped on its way. */
const ANSWER_MS = 3000;

/**
 * Whether Events can be posted. Both verbs are tried without effect, so that no right is needed for the question itself: a
 * create that is only checked (`dryRun=All`), and a patch of an Event that does not exist, which is not found by whom may
 * patch and forbidden to others.
 */
export async function kubernetesEvents(
  { events }: Pick<Config, 'events'>,
  where: FindClusterOptions & { answerMs?: number },
): Promise<Outcome> {
  if (events === 'off') return fail('switched_off', 'switched off', 'set --events auto');
  const cluster = findCluster(where);
  if ('reason' in cluster)
    return cluster.inCluster
      ? inPod(fail(cluster.code, cluster.reason, 'mount a token for the sidecar'), WHY, token())
      : fail(cluster.code, cluster.reason, 'run it in a pod');
  try {
    return await tryBoth(cluster, where.answerMs ?? ANSWER_MS);
  } catch (error) {
    return unreachable(cluster, error);
  }
}

async function tryBoth(cluster: Cluster, answerMs: number): Promise<Outcome> {
  const { namespace } = cluster.pod;
  const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
  const connection = createApiConnection(cluster);
  const ask = (method: string, more: string, type: string, body: unknown) =>
    connection.send({
      method,
      path: `${path}${more}?dryRun=All`,
      headers: { 'content-type': type, accept: 'application/json', 'user-agent': 'spillway-doctor' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(answerMs),
    });
  try {
    const created = await ask('POST', '', 'application/json', sample(cluster));
    const absent = `/spillway-doctor-${randomUUID()}`;
    const patched = await ask('PATCH', absent, 'application/merge-patch+json', {});
    return judge(cluster, created, patched);
  } finally {
    connection.close();
  }
}

function judge({ pod, missing, tokenFile }: Cluster, created: ApiResponse, patched: ApiResponse): Outcome {
  const { namespace } = pod;
  const first = [created, patched].find(({ status }) => status === 401 || status === 403);
  if (first?.status === 401)
    return {
      ...fail(
        'token_rejected',
        `the API server rejects the token (401): ${saidBy(first)}`,
        `check ${tokenFile}: it has expired, belongs to another cluster, or its service account was deleted; restart the pod`,
      ),
      why: WHY,
    };
  if (first && /cannot (?:create|patch)/.test(saidBy(first))) {
    const account = /system:serviceaccount:[^:"]+:([^:"]+)/.exec(saidBy(first))?.[1];
    const name = pod.serviceAccount ?? account ?? 'default';
    const verbs = [created, patched].map(({ status }, i) => (status === 403 ? ['create', 'patch'][i] : ''));
    const verb = verbs.filter(Boolean).join(' and ');
    return inPod(
      fail(
        'events_forbidden',
        `the service account ${name} may not ${verb} Events in ${namespace}`,
        'apply these rules, or have the Helm chart add them (rbac.namespaces)',
      ),
      WHY,
      eventRights(namespace, name),
    );
  }
  if (created.status >= 300)
    return {
      ...fail(
        'event_refused',
        `the API server refuses an Event (${created.status}): ${saidBy(created)}`,
        'its message names the cause: an admission policy, a quota, a terminating namespace',
      ),
      why: WHY,
    };
  const detail = `create and patch, on pod ${namespace}/${pod.name}`;
  return missing.length === 0
    ? pass(detail)
    : warn(
        'pod_unknown',
        `${detail}; missing: ${missing.join(', ')}`,
        'set them from the downward API (fieldRef)',
      );
}

function unreachable({ pod, ...address }: Cluster, error: unknown): Outcome {
  if (error instanceof SpillwayError && error.code === 'read')
    return inPod(
      fail(error.code, messageOf(error), 'make them readable for the user of the guardian'),
      WHY,
      token(),
    );
  const timedOut = error instanceof Error && /Timeout|Abort/.test(`${error.name} ${String(error.cause)}`);
  const detail = timedOut
    ? `the API server at ${formatAddress(address)} does not answer within ${ANSWER_MS / 1000} s`
    : messageOf(error);
  return inPod(
    fail(
      timedOut ? 'no_answer' : 'unreachable',
      detail,
      'check that the API server is up (kubectl get --raw /readyz) and that no NetworkPolicy blocks the pod; this one allows it',
    ),
    WHY,
    toApiServer(pod.namespace, address.port),
  );
}

/** An Event as the guardian posts it, so that what checks contents meets them too. */
function sample({ pod: { namespace, name, uid } }: Cluster): unknown {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { generateName: 'spillway-doctor-', namespace },
    eventTime: new Date().toISOString().replace('Z', '000Z'),
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name, ...(uid === undefined ? {} : { uid }) },
    reportingController: 'spillway.dev/guardian',
    reportingInstance: name.slice(0, 128),
    reason: 'MemoryPressureRecovered',
    action: 'TakeWork',
    type: 'Normal',
    note: 'Permission check of spillway doctor.',
  };
}

function saidBy({ body }: ApiResponse): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    return body.slice(0, 200);
  }
}
