import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

/*
 * The life of a release: install, test, upgrade, rollback and uninstall, with workloads of each kind guarded in a namespace
 * with Pod Security `restricted`.
 */

const CHART = fileURLToPath(new URL('../../helm/spillway', import.meta.url));
const IMAGE = process.env['TEST_IMAGE'] ?? 'spillway.test/guardian:1';
const TOOLS = process.env['TEST_TOOLS_IMAGE'] ?? 'spillway.test/tools:1';
const RELEASE = 'chart-test';
const AGENTS = 'chart-test-agents';
/** Where the release gives no rights. */
const BARE = 'chart-test-bare';
const at = IMAGE.lastIndexOf(':');
const IMAGE_VALUES = [
  ...['--set', `image.repository=${IMAGE.slice(0, at)}`],
  ...['--set-string', `image.tag=${IMAGE.slice(at + 1)}`],
];
const missing = process.env['KUBECONFIG'] === undefined ? 'KUBECONFIG names no cluster' : '';

const execute = promisify(execFile);
async function run(command: string, args: string[], input = ''): Promise<string> {
  const child = execute(command, args, { maxBuffer: 64 * 2 ** 20, timeout: 180_000 });
  child.child.stdin?.end(input);
  const { stdout, stderr } = await child;
  // what the cluster says of its own kinds is no answer
  return stdout + stderr.replace(/^Warning: .* is deprecated in .*\n/gm, '');
}
const kubectl = (args: string[], input?: string) => run('kubectl', args, input);
const helm = (...args: string[]) => run('helm', [...args, '--namespace', RELEASE]);

/** Everything in the cluster that bears the label of this release's chart. */
async function remains(): Promise<string[]> {
  const kinds = await kubectl(['api-resources', '--verbs=list', '--output=name']);
  const listed = kinds.split('\n').filter((kind) => kind && !kind.startsWith('events'));
  const selector = `app.kubernetes.io/instance=${RELEASE}`;
  const args = ['get', listed.join(','), '--all-namespaces', '--ignore-not-found', '--output=name'];
  return (await kubectl([...args, '--selector', selector])).split('\n').filter(Boolean);
}

const POD_SPEC = {
  terminationGracePeriodSeconds: 1,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 1000,
    runAsGroup: 1000,
    seccompProfile: { type: 'RuntimeDefault' },
  },
};
function podSpec(script: string, more: object = {}) {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const resources = { limits: { memory: '96Mi' } };
  const agent = { name: 'agent', image: TOOLS, command: ['node', '-e', script], resources, securityContext };
  return { ...POD_SPEC, ...more, containers: [agent] };
}
const SERVES = 'process.on("SIGTERM", process.exit); setInterval(() => {}, 1000)';
const ENDS = 'setTimeout(() => {}, 500)';

/** What the containers of the agents' namespace may have. */
async function limitRange(name: string, bounds: object): Promise<void> {
  const spec = { limits: [{ type: 'Container', ...bounds }] };
  const range = { apiVersion: 'v1', kind: 'LimitRange', metadata: { name }, spec };
  await kubectl(['apply', '--namespace', AGENTS, '--filename=-'], JSON.stringify(range));
}

/** A workload of each kind, asking for the guardian by the label of its template. */
function workloads(): object[] {
  const metadata = (name: string) => ({ name, namespace: AGENTS });
  const template = (name: string, spec: object) => ({
    metadata: { labels: { app: name, 'spillway.dev/inject': 'true' } },
    spec,
  });
  const serving = (kind: string, more: object = {}) => ({
    apiVersion: 'apps/v1',
    kind,
    metadata: metadata(kind.toLowerCase()),
    spec: {
      selector: { matchLabels: { app: kind.toLowerCase() } },
      template: template(kind.toLowerCase(), podSpec(SERVES)),
      ...more,
    },
  });
  const job = (name: string) => ({ template: template(name, podSpec(ENDS, { restartPolicy: 'Never' })) });
  return [
    serving('Deployment'),
    serving('StatefulSet', { serviceName: 'none' }),
    serving('DaemonSet'),
    { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('job'), spec: job('job') },
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: metadata('cronjob'),
      spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: job('cronjob') } },
    },
  ];
}

const MODES = ['policy', 'webhook'] as const;
describe.skipIf(missing).sequential.each(MODES)(
  `the chart on a cluster, by %s${missing && ` (skipped: ${missing})`}`,
  (mode) => {
    let lacks = '';
    beforeAll(async () => {
      const kinds = await kubectl(['api-resources', '--output=name']);
      if (mode === 'policy' && !kinds.includes('mutatingadmissionpolicies.'))
        lacks = 'this cluster has no MutatingAdmissionPolicy';
      await kubectl(['create', 'namespace', AGENTS]);
      await kubectl(['label', 'namespace', AGENTS, 'pod-security.kubernetes.io/enforce=restricted']);
      await limitRange('no-overcommit', { maxLimitRequestRatio: { memory: '1' } });
    });
    afterAll(async () => {
      await helm('uninstall', RELEASE, '--ignore-not-found', '--wait');
      await kubectl(['delete', 'namespace', RELEASE, AGENTS, BARE, '--ignore-not-found']);
    });

    beforeEach(({ skip }) => {
      if (lacks) skip(lacks);
    });

    it('should install, and say what is next', async () => {
      const said = await helm(
        ...['install', RELEASE, CHART, '--create-namespace', '--wait', '--timeout', '2m', ...IMAGE_VALUES],
        ...['--set', `injector.mode=${mode},rbac.namespaces={${AGENTS}}`],
        ...['--set', 'demo.enabled=true,demo.leakMiBPerSecond=0'],
        ...['--set', `networkPolicy.agents.namespaces={${AGENTS}}`],
      );
      expect(said).toContain(
        mode === 'policy' ? 'a MutatingAdmissionPolicy: no Spillway controller runs' : 'a webhook',
      );
      expect(await remains()).not.toEqual([]);
    }, 180_000);

    it('should pass its own test', async () => {
      expect(await helm('test', RELEASE, '--timeout', '2m')).toMatch(/Phase:\s+Succeeded/);
    }, 180_000);

    it('should guard workloads of each kind under Pod Security restricted', async () => {
      const items = workloads();
      const said = await kubectl(
        ['apply', '--filename=-'],
        JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
      );
      expect(said).not.toContain('Warning');
      await kubectl(['create', 'job', 'from-cronjob', '--from=cronjob/cronjob', '--namespace', AGENTS]);
      const rollout = (name: string) =>
        kubectl(['rollout', 'status', name, '--namespace', AGENTS, '--timeout=90s']);
      const complete = (name: string) =>
        kubectl(['wait', name, '--for=condition=Complete', '--namespace', AGENTS, '--timeout=90s']);
      await Promise.all([
        ...['deployment/deployment', 'statefulset/statefulset', 'daemonset/daemonset'].map(rollout),
        ...['job/job', 'job/from-cronjob'].map(complete),
      ]);
      const { items: pods } = JSON.parse(
        await kubectl(['get', 'pods', '--namespace', AGENTS, '--output=json']),
      );
      expect(pods).toHaveLength(5);
      for (const { metadata, spec } of pods) {
        expect.soft(spec.initContainers?.[0]?.name, metadata.name).toBe('spillway');
        expect.soft(spec.initContainers?.[0]?.image, metadata.name).toBe(IMAGE);
      }
    }, 180_000);

    it('should fail its own test where a right is missing', async () => {
      const binding = ['rolebinding', `${RELEASE}-spillway-events`, '--namespace', AGENTS];
      await kubectl(['delete', ...binding]);
      await expect(helm('test', RELEASE, '--timeout', '2m')).rejects.toThrow();
      const test = 'app.kubernetes.io/component=test';
      const log = await kubectl(['logs', '--selector', test, '--namespace', RELEASE, '--tail=100']);
      expect(log).toContain(`FAIL guardians in ${AGENTS} may create Events`);
      expect(log).toMatch(/^ok .*gets the sidecar/m);
      expect(log).toMatch(/^ok .*guardian answers/m);
      expect(log).toMatch(/^ok .*labelled pods in .* have a guardian/m);
      expect(log).toMatch(/^ok .* admits a labelled pod/m);
    }, 180_000);

    it('should fail its own test where a pod with the label is not or would not be guarded', async () => {
      await kubectl(['create', 'namespace', BARE]);
      // a plain pod has 64Mi, the sidecar 128Mi
      await limitRange('tight', { max: { memory: '100Mi' } });
      const labels = { 'spillway.dev/inject': 'true' };
      const pod = (name: string, more: object) => ({
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: BARE, labels } },
        spec: podSpec(SERVES, more),
      });
      const sidecar = { name: 'spillway', image: 'not.there/spillway:1', imagePullPolicy: 'Never' };
      await kubectl(
        ['apply', '--filename=-'],
        JSON.stringify({
          ...{ apiVersion: 'v1', kind: 'List' },
          items: [
            pod('guarded', {}),
            pod('obstinate', { shareProcessNamespace: false }),
            pod('hand-written', { initContainers: [sidecar] }),
          ],
        }),
      );
      try {
        await expect(helm('test', RELEASE, '--timeout', '2m')).rejects.toThrow();
        const test = 'app.kubernetes.io/component=test';
        const log = await kubectl(['logs', '--selector', test, '--namespace', RELEASE, '--tail=100']);
        expect(log).toMatch(
          new RegExp(`^FAIL labelled pods in ${BARE} have a guardian: not obstinate: restart`, 'm'),
        );
        expect(log).toContain(`FAIL nodes can pull the sidecar image in ${BARE}: not for hand-written`);
        const unnamed = `FAIL guardians in ${BARE} may create Events: not as default; name ${BARE} in rbac.namespaces`;
        expect(log).toContain(unnamed);
        const taken = `^FAIL ${AGENTS} admits a labelled pod.*: not injected: LimitRange tight refuses the sidecar's memory: Container max 100Mi`;
        expect(log).toMatch(new RegExp(taken, 'm'));
      } finally {
        await kubectl(['delete', 'namespace', BARE]);
        await kubectl(['delete', 'limitrange', 'tight', '--namespace', AGENTS]);
      }
    }, 240_000);

    it('should give plain manifests that the API takes to the letter', async () => {
      await kubectl(['create', 'namespace', 'spillway']);
      try {
        const folder = fileURLToPath(new URL('../../deploy', import.meta.url));
        const args = ['apply', '--dry-run=server', '--validate=strict', '--filename', folder];
        const said = await kubectl(args);
        expect(said).toContain(
          'mutatingadmissionpolicy.admissionregistration.k8s.io/spillway.spillway.dev created',
        );
      } finally {
        await kubectl(['delete', 'namespace', 'spillway']);
      }
    }, 60_000);

    it('should upgrade, roll back, and uninstall without leaving anything', async () => {
      const hold = async () => {
        const rendered = await kubectl([
          'get',
          'deployment',
          `${RELEASE}-spillway-demo`,
          '--namespace',
          RELEASE,
          '--output=json',
        ]);
        return rendered.includes('SPILLWAY_HOLD');
      };
      await helm(
        'upgrade',
        RELEASE,
        CHART,
        '--reuse-values',
        '--set',
        'guardian.hold=7s',
        '--wait',
        '--timeout',
        '2m',
      );
      expect(await hold()).toBe(true);
      await helm('rollback', RELEASE, '1', '--wait', '--timeout', '2m');
      expect(await hold()).toBe(false);
      // a test that failed leaves its pod, for the log; one that passes takes it away
      await helm('test', RELEASE, '--timeout', '2m');
      await helm('uninstall', RELEASE, '--wait', '--timeout', '2m');
      await expect.poll(remains, { timeout: 60_000, interval: 1_000 }).toEqual([]);
    }, 240_000);
  },
);
