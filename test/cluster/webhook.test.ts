import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { V1MutatingWebhookConfiguration, V1Pod, V1PodList, V1Secret } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ANNOTATION_OPTIONS } from '../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../src/core/inject/config.ts';
import { inject } from '../../src/core/inject/inject.ts';
import { podCorpus } from '../support/pod-corpus.ts';
import { type Answer, ask, call, pathOf } from './support/api.ts';
import { IMAGE, PATIENCE } from './support/environment.ts';

/*
 * The webhook as the chart installs it where the API server has no policies, in a release of its own. It is asked for by a
 * label of the test's, so that nothing else on the cluster injects what it is to inject.
 */

const RELEASE = 'webhook-test';
const NAME = `${RELEASE}-spillway-injector`;
const PODS = 'webhook-test-pods';
const LABELS = { 'webhook-test': 'true' };
const CONFIGURATION = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${NAME}.spillway.dev`;
const SECRET = `/api/v1/namespaces/${RELEASE}/secrets/${NAME}`;
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
    await ask(
      'PATCH',
      CONFIGURATION,
      [{ op: 'replace', path: '/webhooks/1/objectSelector', value: { matchLabels: LABELS } }],
      JSON_PATCH,
    );
    await until('it injects', injects);
  }, 600_000);

  afterAll(async () => {
    await run('helm', 'uninstall', RELEASE, '--namespace', RELEASE, '--wait');
    await run('kubectl', 'delete', 'namespace', RELEASE, PODS, '--wait=false');
  }, 300_000);

  it('should do with each pod what the function does', async () => {
    const config = defaultInjectConfig('1');
    for (const { name, object, expect: expected } of podCorpus()) {
      // a mirror pod is the kubelet's to create
      if (object['kind'] !== 'Pod' || name === 'mirror') continue;
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

  it('should inject each pod while its Secret is deleted and made again', async () => {
    const before = await secret();
    await ask('DELETE', SECRET);
    const missed = await creating(() =>
      until('there is another', async () => ![undefined, before].includes(await secret())),
    );
    console.log(`pods without a sidecar while the Secret was deleted: ${missed.missed} of ${missed.of}`);
    expect(missed.missed).toBe(0);
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
});

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
