import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ANNOTATION_OPTIONS } from '../../src/config/inject-config.ts';
import { defaultInjectConfig, type InjectConfig } from '../../src/core/inject/config.ts';
import { inject } from '../../src/core/inject/inject.ts';
import type { Pod, Volume } from '../../src/core/inject/pod.ts';

/*
 * The chart's policy and the pure function make the same pod: each pod of the corpus is created (dry run) as it is where the
 * policy acts, and as the function made it where no policy acts.
 */

const CHART = fileURLToPath(new URL('../../helm/spillway', import.meta.url));
const CORPUS = new URL('../fixtures/pods', import.meta.url);
const IMAGE = process.env['TEST_IMAGE'] ?? 'spillway.test/guardian:1';
const RELEASE = 'policy-test';
const GUARDED = 'policy-test-guarded';
const PLAIN = 'policy-test-plain';
const KILLER = { preStop: { exec: { command: ['sh', '-c', 'kill -QUIT 1'] } } };
const missing = process.env['KUBECONFIG'] === undefined ? 'KUBECONFIG names no cluster' : '';

const execute = promisify(execFile);
async function run(command: string, args: string[], input?: string) {
  const child = execute(command, args, { maxBuffer: 64 * 2 ** 20, timeout: 120_000 });
  child.child.stdin?.end(input ?? '');
  return child;
}
const kubectl = (args: string[], input?: string) => run('kubectl', args, input);

/** The pods of the corpus by file name, of documents that are pods. */
function corpus(): Map<string, Pod> {
  const files = readdirSync(CORPUS).filter((name) => name.endsWith('.yaml'));
  return new Map(
    files
      .map((file) => [file, parse(readFileSync(new URL(file, CORPUS), 'utf8')) as Pod] as const)
      .filter(([, pod]) => pod['kind'] === 'Pod'),
  );
}

interface Answer {
  pod?: Record<string, unknown>;
  error?: string;
}

/** What the API server makes of each pod in a namespace, or why it refuses. One call: a process for each pod takes minutes. */
async function created(namespace: string, pods: Map<string, Pod>): Promise<Map<string, Answer>> {
  const named = new Map([...pods].map(([file, pod]) => [file.replace(/\W+/g, '-'), [file, pod] as const]));
  const items = [...named].map(([name, [, pod]]) => ({
    ...pod,
    metadata: { ...pod.metadata, name, namespace },
  }));
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const { stdout, stderr } = await kubectl(
    ['create', '--dry-run=server', '--output=yaml', '--filename=-'],
    list,
  ).catch((error: { stdout?: string; stderr?: string }) => {
    if (typeof error.stderr !== 'string') throw error;
    return { stdout: error.stdout ?? '', stderr: error.stderr }; // it goes on after a pod that is refused
  });
  const answers = new Map<string, Answer>();
  for (const document of parseAllDocuments(stdout)) {
    const made = document.toJS() as Parameters<typeof comparable>[0] & {
      items?: Parameters<typeof comparable>[0][];
    };
    for (const pod of made?.items ?? [made])
      if (pod?.metadata)
        answers.set(named.get(String(pod.metadata['name']))?.[0] ?? '', { pod: comparable(pod) });
  }
  for (const [name, [file]] of named)
    if (!answers.has(file)) {
      const said = stderr.split('\n').filter((line) => line.includes(`"${name}"`));
      answers.set(file, { error: said.join('\n').replaceAll(namespace, 'NS') });
    }
  return answers;
}

/** Without what differs from one creation to the next, and from one order of admission to another. */
function comparable({ metadata, spec }: { metadata: Record<string, unknown>; spec: { volumes?: Volume[] } }) {
  const volumes = [...(spec.volumes ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  const { labels, annotations } = metadata;
  const text = JSON.stringify({ labels, annotations, spec: { ...spec, volumes } });
  return JSON.parse(text.replace(/kube-api-access-\w{5}/g, 'kube-api-access')) as Record<string, unknown>;
}

describe.skipIf(missing).sequential('the warnings of the chart, by webhook', () => {
  const LABEL = { 'spillway.dev/inject': 'true' };
  const spec = { containers: [{ name: 'agent', image: 'a' }] };
  const said = async (object: object) =>
    (await kubectl(['create', '--dry-run=server', '--filename=-'], JSON.stringify(object))).stderr;
  const metadata = { name: 'warned', namespace: PLAIN, labels: LABEL };

  beforeAll(async () => {
    // the webhook's pods need not run: what is looked at here is said without them
    const at = IMAGE.lastIndexOf(':');
    const image = `image.repository=${IMAGE.slice(0, at)},image.pullPolicy=Never`;
    await run('helm', [
      ...['upgrade', '--install', RELEASE, CHART, '--namespace', RELEASE, '--create-namespace'],
      ...['--set', `${image},injector.mode=webhook`, '--set-string', 'image.tag=none'],
    ]);
    await kubectl(['create', 'namespace', PLAIN]);
  }, 120_000);

  afterAll(async () => {
    await run('helm', ['uninstall', RELEASE, '--namespace', RELEASE]);
    await kubectl(['delete', 'namespace', PLAIN, RELEASE]);
  }, 120_000);

  it('should reach who applies a Deployment, and say of a pod that the webhook was away', async () => {
    const template = { metadata: { labels: { ...LABEL, app: 'warned' } }, spec };
    const deployment = {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata },
      spec: { selector: { matchLabels: { app: 'warned' } }, template },
    };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec };
    // a new policy takes a moment to act
    const until = Date.now() + 20_000;
    while (Date.now() < until && (await said(deployment)) === '');
    expect.soft(await said(deployment)).toContain('set runAsUser and runAsGroup for container agent');
    expect.soft(await said(pod)).toContain('not injected: the webhook did not answer');
    // the webhook would have said this itself
    expect.soft(await said({ ...pod, spec: { ...spec, hostNetwork: true } })).not.toContain('hostNetwork');
  }, 60_000);
});

const SIDECARS = [
  ['native', true],
  ['classic', false],
] as const;
describe.skipIf(missing).sequential.each(SIDECARS)(
  `the policy of the chart, %s${missing && ` (skipped: ${missing})`}`,
  (_name, native) => {
    const config: InjectConfig = {
      ...defaultInjectConfig('0.0.0'),
      image: IMAGE,
      native,
      options: { logLevel: 'debug', warnRatio: '0.7' },
    };
    let supported = false;

    beforeAll(async () => {
      const { stdout } = await kubectl([
        'api-resources',
        '--api-group=admissionregistration.k8s.io',
        '--output=name',
      ]);
      supported = stdout.includes('mutatingadmissionpolicies');
      if (!supported) return;
      const at = IMAGE.lastIndexOf(':');
      await run('helm', [
        ...['upgrade', '--install', RELEASE, CHART, '--namespace', RELEASE, '--create-namespace', '--wait'],
        ...[
          '--set',
          `image.repository=${IMAGE.slice(0, at)}`,
          '--set-string',
          `image.tag=${IMAGE.slice(at + 1)}`,
        ],
        ...[
          '--set',
          `injector.mode=policy,sidecar.native=${native}`,
          '--set',
          'guardian.logLevel=debug',
          '--set',
          'guardian.warnRatio=0.7',
        ],
        ...['--set', `injector.excludedNamespaces={kube-system,${PLAIN}}`],
      ]);
      for (const name of [GUARDED, PLAIN]) await kubectl(['create', 'namespace', name]);
      await kubectl(['label', 'namespace', GUARDED, 'spillway.dev/inject=true']);
      await acts();
    }, 120_000);

    afterAll(async () => {
      if (!supported) return;
      await run('helm', ['uninstall', RELEASE, '--namespace', RELEASE, '--wait']);
      await kubectl(['delete', 'namespace', GUARDED, PLAIN, RELEASE]);
    }, 120_000);

    /** A new policy takes a moment to act. */
    async function acts(): Promise<void> {
      const probe = new Map([
        ['probe', { kind: 'Pod', apiVersion: 'v1', spec: { containers: [{ name: 'a', image: 'a' }] } }],
      ]);
      for (const until = Date.now() + 20_000; Date.now() < until; ) {
        const pod = (await created(GUARDED, probe as Map<string, Pod>)).get('probe')?.pod;
        if (JSON.stringify(pod).includes('"spillway"')) return;
      }
      throw new Error('the policy does not act within 20 s');
    }

    it('should make the same pods as the function, and leave those that it has made', async (test) => {
      if (!supported) test.skip('this cluster has no MutatingAdmissionPolicy');
      const pods = corpus();
      expect(pods.size).toBeGreaterThan(9);
      const made = new Map(
        [...pods].map(([file, pod]) => {
          const result = inject(pod, config, ANNOTATION_OPTIONS);
          return [file, 'pod' in result ? result.pod : pod] as const;
        }),
      );
      const byPolicy = await created(GUARDED, pods);
      const byFunction = await created(PLAIN, made);
      const twice = await created(GUARDED, made);
      const differing = [...pods.keys()].filter(
        (file) => JSON.stringify(byPolicy.get(file)) !== JSON.stringify(byFunction.get(file)),
      );
      for (const file of differing) expect.soft(byPolicy.get(file), file).toEqual(byFunction.get(file));
      for (const file of pods.keys())
        expect.soft(twice.get(file), `${file}, twice`).toEqual(byFunction.get(file));
      for (const [file, { error }] of byPolicy) expect.soft(error, `${file}: a reason`).not.toBe('');
      const injected = [...byPolicy.values()].filter((answer) =>
        JSON.stringify(answer).includes('SPILLWAY_AGENT'),
      );
      expect(injected.length).toBeGreaterThan(4);
    }, 240_000);

    it('should warn whoever applies a workload, in words that kubectl shows', async (test) => {
      if (!supported) test.skip('this cluster has no MutatingAdmissionPolicy');
      const deployment = (spec: object, metadata: object = {}) => ({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'warned', namespace: GUARDED },
        spec: {
          selector: { matchLabels: { app: 'warned' } },
          template: { metadata: { labels: { app: 'warned' }, ...metadata }, spec },
        },
      });
      const agent = { name: 'agent', image: 'a', resources: { limits: { memory: '64Mi' } } };
      const user = { runAsUser: 1000, runAsGroup: 1000 };
      const annotations = {
        'spillway.dev/hold': '2 weeks',
        'spillway.dev/shed': '0.8',
        'spillway.dev/shed-ratio': '0.6',
      };
      const guaranteed = { ...agent, resources: { limits: { cpu: '1', memory: '64Mi' } } };
      const becomes = "the pod's QoS class Guaranteed becomes Burstable";
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'warned', namespace: GUARDED },
        spec: { containers: [guaranteed], securityContext: user },
      };
      const cases: [object, string[]][] = [
        [deployment({ containers: [guaranteed], securityContext: user }), [becomes]],
        [pod, [becomes]],
        [deployment({ containers: [agent], securityContext: user }), []],
        [deployment({ containers: [agent] }), ['set runAsUser and runAsGroup for container agent']],
        [
          deployment({ containers: [{ ...agent, resources: {} }], securityContext: user }),
          ['container agent has no memory limit'],
        ],
        [
          deployment({ containers: [agent], securityContext: user, hostPID: true }),
          ['not injected: hostPID'],
        ],
        [
          deployment({ containers: [agent, { name: 'b', image: 'b' }], securityContext: user }),
          ['guards agent, the first of 2 containers'],
        ],
        [
          deployment(
            { containers: [{ name: 'istio-proxy', image: 'p' }, agent], securityContext: user },
            { annotations: { 'kubectl.kubernetes.io/default-container': 'agent' } },
          ),
          ['guards agent, the default container of 2 containers', 'istio-proxy may keep'],
        ],
        [
          deployment({ containers: [agent], securityContext: user, hostNetwork: true }),
          ['not injected: hostNetwork'],
        ],
        [
          deployment({ containers: [{ ...agent, ports: [{ containerPort: 9797 }] }], securityContext: user }),
          ['not injected: container agent has port 9797'],
        ],
        [
          deployment({ containers: [{ ...agent, command: ['/init'] }], securityContext: user }),
          ['not injected: container agent runs /init'],
        ],
        [
          deployment({ containers: [{ ...agent, lifecycle: KILLER }], securityContext: user }),
          ['container agent signals process 1'],
        ],
        [
          deployment({ containers: [agent], securityContext: user, automountServiceAccountToken: false }),
          ['automountServiceAccountToken is false'],
        ],
        [
          deployment({ containers: [agent], securityContext: user, runtimeClassName: 'kata-qemu' }),
          ['runtime class kata-qemu is a sandbox'],
        ],
        [
          {
            ...pod,
            spec: { containers: [{ ...agent, lifecycle: KILLER }], securityContext: user },
          },
          ['container agent signals process 1'],
        ],
        [
          deployment({ containers: [agent], securityContext: user }, { annotations }),
          [
            'unknown annotation spillway.dev/shed;',
            'spillway.dev/hold is not used: this is not',
            'spillway.dev/shed-ratio is not used: it contradicts',
          ],
        ],
      ];
      for (const [object, words] of cases) {
        const { stderr } = await kubectl(
          ['create', '--dry-run=server', '--filename=-'],
          JSON.stringify(object),
        );
        if (words.length === 0) expect.soft(stderr).toBe('');
        for (const word of words) expect.soft(stderr).toContain(word);
      }
    }, 60_000);
  },
);
