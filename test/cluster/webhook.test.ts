import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type {
  V1Deployment,
  V1MutatingWebhookConfiguration,
  V1Pod,
  V1PodList,
  V1ResourceQuota,
  V1Secret,
  V1Service,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ANNOTATION_OPTIONS } from '../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../src/core/inject/config.ts';
import { inject } from '../../src/core/inject/inject.ts';
import { podCorpus } from '../support/pod-corpus.ts';
import { type Answer, ask, call, pathOf } from './support/api.ts';
import { IMAGE, PATIENCE } from './support/environment.ts';
import { makeNamespace } from './support/namespace.ts';
import { startCrowd } from './support/neighbour.ts';
import { failedProbes } from './support/probes.ts';

/*
 * The webhook as the chart installs it where the API server has no policies, in a release of its own. It is asked for by a
 * label of the test's, so that nothing else on the cluster injects what it is to inject.
 */

const RELEASE = 'webhook-test';
const NAME = `${RELEASE}-spillway-injector`;
const PODS = 'webhook-test-pods';
const LABELS = { 'webhook-test': 'true' };
const CONFIGURATION = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/00-${NAME}.spillway.dev`;
const SECRET = `/api/v1/namespaces/${RELEASE}/secrets/${NAME}-certificate`;
const LIMIT_MS = 120_000 * PATIENCE;
const JSON_PATCH = 'application/json-patch+json';
const missing = process.env['KUBECONFIG'] === undefined ? 'KUBECONFIG names no cluster' : '';

const execute = promisify(execFile);
const run = (command: string, ...args: string[]) => execute(command, args, { timeout: 300_000 * PATIENCE });

/** What the API server makes of a pod, without keeping it. */
const created = (pod: object): Promise<Answer<V1Pod>> =>
  call<V1Pod>('POST', `${pathOf('Pod', PODS)}?dryRun=All`, pod);
const sidecarOf = ({ body }: Answer<V1Pod>) => body.spec?.initContainers?.[0];

function podOf(name: string) {
  const found = podCorpus().find((each) => each.name === name);
  if (!found) throw new Error(`no pod ${name}`);
  return { ...found.pod, metadata: { ...found.pod.metadata, namespace: PODS, labels: LABELS } };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    if (await holds()) return performance.now() - startMs;
    if (performance.now() - startMs > LIMIT_MS) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
const injects = async () => sidecarOf(await created(podOf('plain')))?.name === 'spillway';
/** What all replicas have said. */
const log = async () => {
  const selector = ['--selector', 'app.kubernetes.io/component=injector', '--tail=-1'];
  return (await run('kubectl', 'logs', ...selector, '--namespace', RELEASE)).stdout;
};
const secret = async () => (await call<V1Secret>('GET', SECRET)).body.data?.['tls.crt'];
const bundles = async () =>
  (await ask<V1MutatingWebhookConfiguration>('GET', CONFIGURATION)).webhooks?.map(
    ({ clientConfig }) => clientConfig.caBundle,
  ) ?? [];

describe.skipIf(missing !== '')(`the webhook on a cluster ${missing}`, () => {
  beforeAll(async () => {
    const [, repository = '', tag = ''] = IMAGE.match(/^(.*):([^:/]+)$/) ?? [];
    const values = {
      'injector.mode': 'webhook',
      'image.repository': repository,
      'image.tag': tag,
      'rbac.create': 'false',
    };
    const set = Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const where = ['--namespace', RELEASE, '--create-namespace', '--wait', '--timeout', '5m'];
    await run('helm', 'install', RELEASE, 'helm/spillway', ...where, ...set);
    await ask('POST', pathOf('Namespace'), {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: PODS, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
    });
    await askByLabel();
    await until('it injects', injects);
  }, 600_000);

  afterAll(async () => {
    await run('helm', 'uninstall', RELEASE, '--namespace', RELEASE, '--wait');
    await run('kubectl', 'delete', 'namespace', RELEASE, PODS, '--wait=false');
  }, 300_000);

  it('should do with each pod what the function does', async () => {
    const config = defaultInjectConfig('1');
    for (const { name, object, expect: expected } of podCorpus()) {
      // a mirror pod is the kubelet's to create, and the runtime class of a sandbox is not there
      if (object['kind'] !== 'Pod' || name === 'mirror' || name === 'sandbox') continue;
      const pod = podOf(name);
      if (expected === 'declined') continue; // its label would be the test's
      const answer = await created(pod);
      const wanted = inject(pod, config, ANNOTATION_OPTIONS);
      expect(answer.status, `${name}: ${answer.text}`).toBe(201);
      const names = (list: { name: string }[] | null | undefined) => (list ?? []).map((each) => each.name);
      const becomes = 'pod' in wanted ? wanted.pod : pod;
      expect(names(answer.body.spec?.initContainers), name).toEqual(names(becomes.spec?.initContainers));
      for (const warning of wanted.warnings) expect(answer.warnings, name).toContain(`spillway: ${warning}`);
      if (expected !== 'injected') continue;
      const rest = { ...becomes.spec?.initContainers?.[0], image: IMAGE };
      expect(sidecarOf(answer), name).toMatchObject(rest);
    }
    expect(await log()).toMatch(new RegExp(`not injected: ${PODS}/\\S+: hostPID`));
  });

  it.each([
    ['quota', '150Mi', {}, "ResourceQuota tight has no room for the sidecar's requests.memory (128Mi)"],
    ['limit range', '1Gi', { max: { memory: '100Mi' } }, 'LimitRange range refuses'],
    ['roomy quota', '300Mi', {}, undefined],
  ])('should start the pods of a Deployment, also where there is no room for the sidecar: %s', async (_name, memory, bounds, words) => {
    const namespace = await makeNamespace({ onTestFinished });
    const path = (resource: string) => `/api/v1/namespaces/${namespace}/${resource}`;
    const limits = [{ type: 'Container', default: { memory: '64Mi' }, ...bounds }];
    await ask('POST', path('limitranges'), { metadata: { name: 'range' }, spec: { limits } });
    await ask('POST', path('resourcequotas'), { metadata: { name: 'tight' }, spec: { hard: { memory } } });
    await until('the quota counts', async () => {
      const { status } = await ask<V1ResourceQuota>('GET', `${path('resourcequotas')}/tight`);
      return status?.used?.['memory'] === '0';
    });
    const { metadata, spec } = podOf('restricted');
    const [agent] = spec?.containers ?? [];
    const command = ['node', '-e', 'setInterval(() => {}, 1000)'];
    const resources = { requests: { memory: '64Mi' }, limits: { memory: '64Mi' } };
    const template = {
      metadata: { labels: LABELS, annotations: metadata.annotations },
      spec: { ...spec, containers: [{ ...agent, image: IMAGE, command, resources }] },
    };
    await ask('POST', pathOf('Deployment', namespace), {
      metadata: { name: 'agent' },
      spec: { selector: { matchLabels: LABELS }, template },
    });
    await until('its pod is ready', async () => {
      const { status } = await ask<V1Deployment>('GET', pathOf('Deployment', namespace, 'agent'));
      return status?.readyReplicas === 1;
    });
    const [pod] = (await ask<V1PodList>('GET', pathOf('Pod', namespace))).items;
    const names = [...(pod?.spec?.initContainers ?? []), ...(pod?.spec?.containers ?? [])].map(
      ({ name }) => name,
    );
    expect(names.includes('spillway')).toBe(words === undefined);
    expect(pod?.metadata?.annotations?.['spillway.dev/status']).toContain(words ?? 'injected');
    if (words !== undefined) expect(await log()).toContain(`not injected: ${namespace}/agent-`);
  });

  it('should start a pod with its sidecar under the restricted standard', async () => {
    const pod = podOf('restricted');
    const [agent] = pod.spec?.containers ?? [];
    await ask('POST', pathOf('Pod', PODS), {
      ...pod,
      spec: {
        ...pod.spec,
        // any image with Node will do: the guardian's own is there
        containers: [{ ...agent, image: IMAGE, command: ['node', '-e', 'setInterval(() => {}, 1000)'] }],
      },
    });
    await until('it is ready', async () => {
      const { status } = await ask<V1Pod>('GET', pathOf('Pod', PODS, 'restricted'));
      return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
    });
  });

  it('should make a new certificate when the Secret holds a bad one', async () => {
    const before = await secret();
    const bad = [{ op: 'replace', path: '/data/tls.crt', value: Buffer.from('nonsense').toString('base64') }];
    await ask('PATCH', SECRET, bad, JSON_PATCH);
    await until('it is made anew', async () => !['bm9uc2Vuc2U=', before].includes(await secret()));
    await until('it injects', injects);
  });

  it('should put its authority back where somebody emptied it', async () => {
    const before = await bundles();
    const emptied = before.map((_, i) => ({ op: 'remove', path: `/webhooks/${i}/clientConfig/caBundle` }));
    await ask('PATCH', CONFIGURATION, emptied, JSON_PATCH);
    const tookMs = await until('it is back', async () => `${await bundles()}` === `${before}`);
    console.log(`an emptied caBundle was back after ${(tookMs / 1000).toFixed(1)} s`);
    await until('it injects', injects);
  });

  it('should inject each pod while its Secret is missing, say so, and have it back by an upgrade', async () => {
    const before = await secret();
    await ask('DELETE', SECRET);
    const missed = await creating(() =>
      until('it says so', async () => {
        return (await log()).includes(
          `the Secret ${RELEASE}/${NAME}-certificate is missing; run helm upgrade`,
        );
      }),
    );
    console.log(`pods without a sidecar while the Secret was missing: ${missed.missed} of ${missed.of}`);
    expect(missed.missed).toBe(0);
    // the selector that the test has changed is the chart's again then
    const set = ['--reuse-values', '--force-conflicts', '--namespace', RELEASE, '--wait', '--timeout', '5m'];
    await run('helm', 'upgrade', RELEASE, 'helm/spillway', ...set);
    await askByLabel();
    await until('there is another', async () => ![undefined, before].includes(await secret()));
    await until('it injects', injects);
  });

  it('should answer probes over IPv6', async () => {
    const probe = `require('node:https').get({ host: '::1', port: 8443, path: '/livez', rejectUnauthorized: false },
      (answer) => console.log(answer.resume().statusCode)).on('error', ({ code }) => console.log(code))`;
    const where = [`deployment/${NAME}`, '--namespace', RELEASE, '--', 'node', '-e', probe];
    expect((await run('kubectl', 'exec', ...where)).stdout.trim()).toBe('200');
  });

  it('should inject each pod, and be probed in vain not once, while a neighbour keeps requests unfinished', async ({
    onTestFinished,
  }) => {
    const namespace = await makeNamespace({ onTestFinished });
    const { spec } = await ask<V1Service>('GET', pathOf('Service', RELEASE, NAME));
    const { items } = await ask<V1PodList>('GET', pathOf('Pod', RELEASE));
    const pods = items.map(({ metadata }) => metadata?.name ?? '');
    const failures = async () =>
      (await Promise.all(pods.map((pod) => failedProbes(RELEASE, pod, 'spillway-injector')))).reduce(
        (a, b) => a + b,
      );
    const before = await failures();
    const { missed, of } = await creating(async () => {
      // each of two replicas gets nine or so of the largest, and of those that are just taken
      for (const mib of [8, 3]) {
        const upload = ['upload', spec?.clusterIP ?? '', 443, 18, mib * 2 ** 20 - 1];
        await startCrowd(namespace, `upload-${mib}`, upload);
        await new Promise((resolve) => setTimeout(resolve, 15_000));
      }
    });
    const failed = (await failures()) - before;
    console.log(`unfinished requests: ${missed} of ${of} pods without a sidecar, ${failed} probes failed`);
    expect([missed, failed]).toEqual([0, 0]);
  });

  it('should inject each pod while it restarts', async () => {
    const { missed, of } = await creating(async () => {
      await run('kubectl', 'rollout', 'restart', `deployment/${NAME}`, '--namespace', RELEASE);
      await run('kubectl', 'rollout', 'status', `deployment/${NAME}`, '--namespace', RELEASE, '--timeout=4m');
      // until the last of the old has gone
      await until('only the new are left', async () => {
        const { items } = await ask<V1PodList>('GET', pathOf('Pod', RELEASE));
        return items.every(({ metadata }) => metadata?.deletionTimestamp === undefined);
      });
    });
    console.log(`pods without a sidecar during the restart: ${missed} of ${of}`);
    expect(missed).toBe(0);
  });

  it('should be missed by the API server, by the count that an alert goes by, once it is away', async () => {
    const before = await passedOver();
    await run('kubectl', 'scale', `deployment/${NAME}`, '--replicas=0', '--namespace', RELEASE);
    await until('pods are admitted without it', async () => !(await injects()));
    await until('it is counted', async () => (await passedOver()) > before);
  });
});

/** How often the API server went on without an answer of this webhook. */
async function passedOver(): Promise<number> {
  const { text } = await call('GET', '/metrics');
  const lines = text.split('\n').filter((line) => line.includes(`name="pod.${NAME}.spillway.dev"`));
  const counts = lines.filter((line) => line.startsWith('apiserver_admission_webhook_fail_open_count{'));
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Has the webhook asked for pods of this test alone. */
async function askByLabel(): Promise<void> {
  const value = { matchLabels: LABELS };
  await ask(
    'PATCH',
    CONFIGURATION,
    [{ op: 'replace', path: '/webhooks/1/objectSelector', value }],
    JSON_PATCH,
  );
}

/** Creates pods (dry run) as long as something goes on, and counts those that stayed without the sidecar. */
async function creating(during: () => Promise<unknown>): Promise<{ missed: number; of: number }> {
  let done = false;
  const counts = { missed: 0, of: 0 };
  const running = during().finally(() => {
    done = true;
  });
  while (!done) {
    counts.of++;
    if (!(await injects())) counts.missed++;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await running;
  return counts;
}
