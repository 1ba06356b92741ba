import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ANNOTATION_OPTIONS } from '../../src/config/inject-config.ts';
import { containersOf, isSidecar } from '../../src/core/inject/agent.ts';
import { defaultInjectConfig, type InjectConfig } from '../../src/core/inject/config.ts';
import { inject } from '../../src/core/inject/inject.ts';
import { NOT_INJECTED, STATUS_ANNOTATION } from '../../src/core/inject/names.ts';
import type { Pod } from '../../src/core/inject/pod.ts';
import type { Bounds } from '../../src/core/inject/room.ts';
import { uninject } from '../../src/core/inject/uninject.ts';

/*
 * The chart's policy and the pure function make the same pod: each pod of the corpus is created (dry run) as it is where the
 * policy acts, and as the function made it where no policy acts.
 */

const CHART = fileURLToPath(new URL('../../helm/spillway', import.meta.url));
const CORPUS = new URL('../fixtures/pods/', import.meta.url);
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
function comparable({ metadata, spec }: { metadata: Record<string, unknown>; spec: Pod['spec'] & object }) {
  const sorted = <T extends { name: string }>(list: readonly T[] = []) =>
    list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const containers = spec.containers?.map((each) => ({
    ...each,
    volumeMounts: sorted(each.volumeMounts ?? []),
  }));
  const { labels, annotations } = metadata;
  const volumes = sorted(spec.volumes ?? []);
  const text = JSON.stringify({ labels, annotations, spec: { ...spec, containers, volumes } });
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
    await bound(PLAIN, { quotas: [quota({ memory: '150Mi' })] });
    const full = "not injected: ResourceQuota tight has no room for the sidecar's requests.memory (128Mi)";
    expect.soft(await said({ ...running(), metadata })).toContain(full);
    // the webhook would have said this itself
    expect.soft(await said({ ...pod, spec: { ...spec, hostNetwork: true } })).not.toContain('hostNetwork');
  }, 60_000);
});

/**
 * What may bound a namespace, at sizes at which some pods of the corpus have room for the sidecar and others not, but for the last:
 * quotas, and the limits of a LimitRange.
 */
const BOUNDS: Record<string, { quotas?: object[]; limits?: object[] }> = {
  'quota-of-requests': { quotas: [quota({ 'requests.memory': '300Mi', 'requests.cpu': '400m' })] },
  'quota-of-limits': { quotas: [quota({ 'limits.memory': '300Mi', 'limits.cpu': '900m' })] },
  'quota-by-short-names': { quotas: [quota({ memory: '300Mi', cpu: '1' })] },
  'quotas-of-scopes': {
    quotas: [
      quota({ cpu: '1m' }, { scopes: ['Terminating'] }, 'ends'),
      quota({ memory: '1Ki' }, priority('In', 'system-node-critical'), 'critical'),
      quota({ memory: '260Mi' }, { scopes: ['NotTerminating', 'NotBestEffort'] }, 'lasts'),
    ],
  },
  'least-memory-of-containers': { limits: [{ type: 'Container', min: { memory: '129Mi' } }] },
  'least-cpu-of-containers': { limits: [{ type: 'Container', min: { cpu: '60m' } }] },
  'most-cpu-of-containers': { limits: [{ type: 'Container', max: { cpu: '150m' } }] },
  'ratio-of-containers': { limits: [{ type: 'Container', maxLimitRequestRatio: { cpu: '3' } }] },
  'max-of-pods': { limits: [{ type: 'Pod', max: { memory: '300Mi', cpu: '1' } }] },
  'ratio-of-pods': { limits: [{ type: 'Pod', maxLimitRequestRatio: { cpu: '1.9' } }] },
  roomy: {
    quotas: [quota({ memory: '10Gi', 'limits.memory': '20Gi', cpu: '10', 'limits.cpu': '20' })],
    limits: [{ type: 'Pod', max: { memory: '20Gi' } }],
  },
};
/** So that the pods of the corpus, most without any, are taken where a quota or a LimitRange asks for resources. */
const DEFAULTS = { cpu: '100m', memory: '130Mi' };

function quota(hard: object, spec: object = {}, name = 'tight') {
  return { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name }, spec: { hard, ...spec } };
}
function priority(operator: string, ...values: string[]) {
  return { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator, values }] } };
}

/** A Deployment that asks for the sidecar, of an agent with 64Mi. */
function running() {
  const labels = { app: 'agent', 'spillway.dev/inject': 'true' };
  const resources = { requests: { memory: '64Mi' }, limits: { memory: '64Mi' } };
  const command = ['node', '-e', 'setInterval(() => {}, 1000)'];
  const agent = { name: 'agent', image: IMAGE, imagePullPolicy: 'IfNotPresent', command, resources };
  const securityContext = { runAsUser: 1000, runAsGroup: 1000 };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'agent' } },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      template: {
        metadata: { labels, annotations: { 'spillway.dev/hook': 'off' } },
        spec: { containers: [agent], securityContext, terminationGracePeriodSeconds: 1 },
      },
    },
  };
}

/** Makes what bounds a namespace, and gives it as the API server does, once it counts. */
async function bound(
  namespace: string,
  { quotas = [], limits = [] }: (typeof BOUNDS)[string],
  defaults: object = DEFAULTS,
): Promise<Bounds> {
  const filling = { type: 'Container', default: defaults, defaultRequest: defaults };
  const [first, ...more] = limits;
  const merged =
    first && 'type' in first && first.type === 'Container'
      ? [{ ...filling, ...first }, ...more]
      : [filling, ...limits];
  const range = {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'range' },
    spec: { limits: merged },
  };
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...quotas, range] });
  await kubectl(['apply', '--namespace', namespace, '--filename=-'], list);
  const read = async <T>(kind: string) => {
    const { stdout } = await kubectl(['get', kind, '--namespace', namespace, '--output=json']);
    return (JSON.parse(stdout) as { items: T[] }).items;
  };
  for (const until = Date.now() + 30_000; Date.now() < until; ) {
    const counted = await read<Bounds['quotas'][number]>('resourcequotas');
    if (!counted.every(({ status }) => status?.hard && status.used)) continue;
    // and until the API server's own copy is that new
    await new Promise((resolve) => setTimeout(resolve, 500));
    return { quotas: counted, limitRanges: await read('limitranges') };
  }
  throw new Error('a quota is not counted within 30 s');
}

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
      options: { logLevel: 'debug', warnRatio: '0.7', gateExempt: '/chart' },
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
          'guardian.warnRatio=0.7,guardian.gateExempt=/chart',
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

    it.each(
      // the places differ, not the sums
      Object.keys(BOUNDS).slice(native ? 0 : -2),
    )('should leave no pod worse off than without the label, and say why as the function does: %s', async (name) => {
      if (!supported) return;
      const namespace = `policy-test-${name}`;
      await kubectl(['create', 'namespace', namespace]);
      try {
        await kubectl(['label', 'namespace', namespace, 'spillway.dev/inject=true']);
        const bounds = await bound(namespace, BOUNDS[name] ?? {});
        const pods = corpus();
        const declining = [...pods].map(([file, pod]) => {
          const labels = { ...pod.metadata?.labels, 'spillway.dev/inject': 'false' };
          return [file, { ...pod, metadata: { ...pod.metadata, labels } }] as const;
        });
        const plain = await created(namespace, new Map(declining));
        const labelled = await created(namespace, pods);
        const statuses: string[] = [];
        for (const [file, { pod: before }] of plain) {
          if (!before) continue;
          const { error, pod: after } = labelled.get(file) ?? {};
          expect.soft(error, file).toBeUndefined();
          const { annotations, spec } = before as { annotations: Record<string, string>; spec: object };
          const bare = { metadata: { ...pods.get(file)?.metadata, annotations }, spec } as Pod;
          const result = inject(bare, config, ANNOTATION_OPTIONS, bounds);
          const made = 'pod' in result ? result.pod : (result.without ?? bare);
          const said = (after as Pod['metadata'])?.annotations?.[STATUS_ANNOTATION] ?? '';
          expect.soft(said, file).toBe(made.metadata?.annotations?.[STATUS_ANNOTATION] ?? '');
          // the policies run in any order: what was injected before is taken out again, with a `--require` of the hook that the pod had
          if (said.startsWith(NOT_INJECTED) && file !== 'hook-present.yaml')
            expect.soft(after?.['spec'], file).toEqual(uninject(bare).spec);
          statuses.push(said);
        }
        const without = statuses.filter((status) => status.startsWith(NOT_INJECTED)).length;
        const injected = statuses.filter((status) => status.startsWith('injected')).length;
        console.log(`${name}: ${injected} injected, ${without} without`);
        expect(name === 'roomy' ? injected : without).toBeGreaterThan(4);
        // but for the one with resources as a whole, as the LimitRange fills those of containers in
        if (name === 'roomy') expect(without).toBe(1);
      } finally {
        await kubectl(['delete', 'namespace', namespace, '--wait=false']);
      }
    }, 120_000);

    it.each([
      ['quota', { quotas: [quota({ memory: '150Mi' })] }, 'requests.memory (128Mi)'],
      ['limit range', { limits: [{ type: 'Container', max: { memory: '100Mi' } }] }, 'Container max 100Mi'],
      ['roomy quota', { quotas: [quota({ memory: '300Mi' })] }, undefined],
    ])(
      'should start the pods of a Deployment, and tell who applies it where they go without: %s',
      async (_name, bounds, words) => {
        if (!supported) return;
        const namespace = 'policy-test-room';
        await kubectl(['create', 'namespace', namespace]);
        try {
          await bound(namespace, bounds, { memory: '64Mi' });
          const { metadata, spec } = running();
          const three = {
            ...running(),
            metadata: { ...metadata, namespace },
            spec: { ...spec, replicas: 3 },
          };
          const all = await kubectl(['create', '--dry-run=server', '--filename=-'], JSON.stringify(three));
          const some = 'ResourceQuota tight has room for the 3 pods, but not';
          expect(all.stderr.includes(some)).toBe(words === undefined);
          const { stderr } = await kubectl(
            ['apply', '--namespace', namespace, '--filename=-'],
            JSON.stringify(running()),
          );
          if (words === undefined) expect(stderr).toBe('');
          else expect(stderr).toMatch(/spillway: not injected: (ResourceQuota tight|LimitRange range) /);
          expect(stderr).toContain(words ?? '');
          await kubectl(['rollout', 'status', 'deployment/agent', '--namespace', namespace, '--timeout=90s']);
          const { stdout } = await kubectl(['get', 'pods', '--namespace', namespace, '--output=json']);
          const [pod] = (JSON.parse(stdout) as { items: Pod[] }).items;
          expect(pod && containersOf(pod).some(isSidecar)).toBe(words === undefined);
          expect(pod?.metadata?.annotations?.[STATUS_ANNOTATION]).toContain(words ?? 'injected');
        } finally {
          await kubectl(['delete', 'namespace', namespace]);
        }
      },
      180_000,
    );

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
        [
          deployment({ containers: [{ ...agent, command: ['node', 'a.js'] }], securityContext: user }),
          native ? ['no hook: the image of container agent may hold NODE_OPTIONS'] : [],
        ],
        [
          deployment({ containers: [{ ...agent, env: [{ name: 'NODE_OPTIONS' }] }], securityContext: user }),
          [],
        ],
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
          ['guards agent, the default container of 2 containers', 'istio-proxy may block'],
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
