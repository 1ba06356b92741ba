import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { Check } from '../../src/commands/doctor/check.ts';
import type { Diagnosis } from '../../src/commands/doctor.ts';
import { ask, call, create, pathOf, until } from './support/api.ts';
import { IMAGE, PATIENCE, TOOLS_IMAGE } from './support/environment.ts';

const NAMESPACE = `spillway-doctor-${Math.random().toString(36).slice(2, 8)}`;
const IDLE = ['node', '-e', 'process.on("SIGTERM", () => process.exit()); setInterval(() => {}, 1000)'];
const TOKEN_MOUNT = {
  name: 'spillway-token',
  mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  readOnly: true,
};

/** A guarded pod as it should be; each case takes one thing away. */
function pod(
  name: string,
  change: (parts: { spec: V1PodSpec; agent: V1Container; sidecar: V1Container }) => void,
): V1Pod {
  const get = (path: string) => ({ httpGet: { path, port: 9797 }, periodSeconds: 1 });
  const user = {
    runAsUser: 1000,
    runAsGroup: 1000,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  };
  const agent: V1Container = {
    ...{
      name: 'worker',
      image: TOOLS_IMAGE, // of Spillway's own image nothing can be read
      imagePullPolicy: 'IfNotPresent',
      command: IDLE,
      securityContext: { ...user },
    },
    resources: { requests: { cpu: '10m' }, limits: { memory: '512Mi' } },
  };
  const sidecar: V1Container = {
    ...{
      name: 'spillway',
      image: IMAGE,
      imagePullPolicy: 'IfNotPresent',
      restartPolicy: 'Always',
      args: ['guard'],
    },
    env: [
      ['POD_NAME', 'metadata.name'],
      ['POD_NAMESPACE', 'metadata.namespace'],
      ['POD_UID', 'metadata.uid'],
    ].map(([name = '', fieldPath = '']) => ({ name, valueFrom: { fieldRef: { fieldPath } } })),
    readinessProbe: { ...get('/readyz'), failureThreshold: 1 },
    resources: { requests: { cpu: '10m', memory: '128Mi' }, limits: { memory: '128Mi' } },
    securityContext: { ...user, readOnlyRootFilesystem: true },
    volumeMounts: [TOKEN_MOUNT],
  };
  const sources = [
    { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
  ];
  const spec: V1PodSpec = {
    ...{ shareProcessNamespace: true, serviceAccountName: 'teller', terminationGracePeriodSeconds: 2 },
    ...{ automountServiceAccountToken: false, initContainers: [sidecar], containers: [agent] },
    volumes: [{ name: 'spillway-token', projected: { defaultMode: 0o444, sources } }],
  };
  change({ spec, agent, sidecar });
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: NAMESPACE }, spec };
}

/** What is wrong with a pod, and what the doctor has to say of it: the check that is missing and a part of its YAML. */
const FAULTS: Record<
  string,
  { change: Parameters<typeof pod>[1]; check: string; status?: string; yaml: RegExp }
> = {
  'uid-differs': {
    change: ({ sidecar }) =>
      (sidecar.securityContext = { ...sidecar.securityContext, runAsUser: 1001, runAsGroup: 1001 }),
    check: 'process access',
    yaml: /- name: spillway\n {4}securityContext:\n {6}runAsUser: 1000\n {6}runAsGroup: 1000\n$/,
  },
  'root-with-capabilities': {
    change({ agent, sidecar }) {
      agent.securityContext = { runAsUser: 0, runAsGroup: 0 };
      sidecar.securityContext = { ...sidecar.securityContext, runAsUser: 0, runAsGroup: 0 };
    },
    check: 'process access',
    yaml: /runAsUser: 0\n.*\n.*\n {6}capabilities:\n {8}drop: \[ALL\]\n {8}add: \[CHOWN, DAC_OVERRIDE, .*\]\n$/,
  },
  privileged: {
    change: ({ agent }) => (agent.securityContext = { runAsUser: 0, privileged: true }),
    check: 'process access',
    yaml: /- name: worker\n {4}securityContext:\n {6}privileged: false\n$/,
  },
  'processes-not-shared': {
    change: ({ spec }) => delete spec.shareProcessNamespace,
    check: 'agent',
    yaml: /^spec:\n {2}shareProcessNamespace: true\n$/,
  },
  'host-pid': {
    change({ spec }) {
      delete spec.shareProcessNamespace;
      spec.hostPID = true;
    },
    check: 'agent',
    yaml: /^spec:\n {2}hostPID: false\n {2}shareProcessNamespace: true\n$/,
  },
  'no-such-container': {
    change: ({ sidecar }) => (sidecar.args = ['guard', '--agent=container:other']),
    check: 'agent',
    yaml: /- name: SPILLWAY_AGENT\n {6}value: container:worker\n$/,
  },
  'no-limit': {
    change: ({ agent }) => delete agent.resources,
    check: 'memory limit',
    status: 'warn',
    yaml: /- name: worker\n {4}resources:\n {6}limits:\n {8}memory: 256Mi\n$/,
  },
  'no-token': {
    change({ spec, sidecar }) {
      spec.volumes = [];
      sidecar.volumeMounts = [];
    },
    check: 'Kubernetes Events',
    yaml: /serviceAccountToken:[\s\S]*mountPath: \/var\/run\/secrets\/kubernetes.io\/serviceaccount\n/,
  },
  'no-rights': {
    change: ({ spec }) => (spec.serviceAccountName = 'default'),
    check: 'Kubernetes Events',
    yaml: /kind: RoleBinding[\s\S]*name: default, namespace: spillway-doctor-/,
  },
  'api-server-out-of-reach': {
    change: ({ sidecar }) => sidecar.env?.push({ name: 'KUBERNETES_SERVICE_HOST', value: '203.0.113.1' }),
    check: 'Kubernetes Events',
    yaml: /kind: NetworkPolicy/,
  },
  'no-readiness-probe': {
    change: ({ sidecar }) => delete sidecar.readinessProbe,
    check: 'readiness probe',
    status: 'warn',
    yaml: /readinessProbe:\n {6}httpGet:\n {8}path: \/readyz\n {8}port: 9797\n/,
  },
  'little-memory': {
    change: ({ sidecar }) => (sidecar.resources = { limits: { memory: '112Mi' } }),
    check: 'own memory',
    status: 'warn',
    yaml: /limits:\n {8}memory: 128Mi\n$/,
  },
  'little-cpu': {
    change: ({ sidecar }) => (sidecar.resources = { limits: { memory: '128Mi', cpu: '90m' } }),
    check: 'own CPU',
    status: 'warn',
    yaml: /cpu: null/,
  },
  'nowhere-to-keep-reports': {
    change: ({ sidecar }) => sidecar.args?.push('--record-dir=/records'),
    check: 'post-mortem directory',
    yaml: /name: spillway-records\n {6}mountPath: \/records\n$/,
  },
};

interface Ran {
  code: number;
  out: string;
  err: string;
}

/** `kubectl exec` of the command itself: the image has no shell. */
function doctor(name: string, ...flags: string[]): Promise<Ran> {
  const args = ['exec', '-n', NAMESPACE, name, '-c', 'spillway', '--', 'spillway', 'doctor', ...flags];
  return new Promise((resolve) =>
    execFile('kubectl', args, { timeout: 60_000 * PATIENCE }, (error, out, err) =>
      resolve({ code: error ? Number(/exit code (\d+)/.exec(err)?.[1] ?? -1) : 0, out, err }),
    ),
  );
}

interface Findings {
  canGuard: boolean;
  checks: Record<string, Check>;
}

/** Asks once nothing is too early to be told any more: a program's start, the first probes. */
async function checksOf(name: string): Promise<Findings> {
  for (const end = Date.now() + 60_000 * PATIENCE; ; await sleep(1000)) {
    const { out, err } = await doctor(name, '--json');
    if (out === '') throw new Error(err);
    const { canGuard, checks } = JSON.parse(out) as Diagnosis;
    if (checks.some(({ hint }) => hint === 'run doctor again in a moment') && Date.now() < end) continue;
    return { canGuard, checks: Object.fromEntries(checks.map((check) => [check.check, check])) };
  }
}

/** Starts a pod for one test and waits for both its containers. Whether they are ready is not waited for: not all can be. */
async function start(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  name: string,
  change: Parameters<typeof pod>[1],
): Promise<void> {
  await create(pod(name, change) as V1Pod & { kind: string });
  onTestFinished(
    async () => void (await call('DELETE', `${pathOf('Pod', NAMESPACE, name)}?gracePeriodSeconds=0`)),
  );
  await until<V1Pod, true>(
    `the containers of ${name} run`,
    { path: pathOf('Pod', NAMESPACE), query: { fieldSelector: `metadata.name=${name}` } },
    ([found]) => {
      const { initContainerStatuses: [sidecar] = [], containerStatuses: [agent] = [] } = found?.status ?? {};
      return (sidecar?.started && agent?.started) || undefined;
    },
    60_000 * PATIENCE,
  );
}

const apply = (text: string) =>
  new Promise<void>((resolve, reject) => {
    const child = execFile('kubectl', ['apply', '-f', '-'], (error) => (error ? reject(error) : resolve()));
    child.stdin?.end(text);
  });

const lacks = process.env['KUBECONFIG'] === undefined ? 'KUBECONFIG names no cluster' : '';

describe.skipIf(lacks !== '')(
  lacks === '' ? 'doctor, in a pod' : `doctor, in a pod (skipped: ${lacks})`,
  () => {
    beforeAll(async () => {
      await create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
      await ask('POST', `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, { metadata: { name: 'teller' } });
      const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`;
      const rules = [{ apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] }];
      await ask('POST', `${rbac}/roles`, { metadata: { name: 'events' }, rules });
      await ask('POST', `${rbac}/rolebindings`, {
        metadata: { name: 'events' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'events' },
        subjects: [{ kind: 'ServiceAccount', name: 'teller', namespace: NAMESPACE }],
      });
      // pods are refused until it is there
      const account = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/default`;
      for (const end = Date.now() + 30_000; (await call('GET', account)).status !== 200; await sleep(200))
        if (Date.now() > end) throw new Error('the namespace gets no service account');
      return async () => void (await call('DELETE', pathOf('Namespace', undefined, NAMESPACE)));
    }, 60_000 * PATIENCE);

    it('should find nothing amiss where nothing is, and leave agent and guardian alone', async (context) => {
      await start(context, 'well', () => {});
      const { canGuard, checks } = await checksOf('well');
      expect(canGuard).toBe(true);
      for (const { status, check, detail, yaml } of Object.values(checks)) {
        expect(yaml, `${check}: ${detail}`).toBe(undefined);
        // what a Node program makes of SIGTERM is asked of it at run time; reports are kept where one says where; the hook goes where
        // NODE_OPTIONS stands
        expect([check, detail, status]).toEqual([
          check,
          detail,
          /recycle|post-mortem|hook/.test(check) ? 'warn' : 'pass',
        ]);
      }
      const { status } = await ask<V1Pod>('GET', pathOf('Pod', NAMESPACE, 'well'));
      const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
      expect(containers.map(({ restartCount, ready }) => [restartCount, ready])).toEqual([
        [0, true],
        [0, true],
      ]);
    });

    it('should end with 0 where it can guard and with 1 where it cannot', async (context) => {
      await start(context, 'can', () => {});
      await start(context, 'cannot', FAULTS['processes-not-shared']?.change ?? (() => {}));
      expect((await doctor('can')).code).toBe(0);
      expect((await doctor('cannot')).code).toBe(1);
    });

    it.concurrent.for(
      Object.entries(FAULTS),
    )('should name what is missing, and the lines that give it: %s', async ([name, fault], context) => {
      const { expect } = context;
      await start(context, name, fault.change);
      const { checks } = await checksOf(name);
      expect(checks[fault.check]).toMatchObject({
        status: fault.status ?? 'fail',
        detail: expect.stringMatching(/\w/),
        hint: expect.stringMatching(/\w/),
        why: expect.stringMatching(/\w/),
        yaml: expect.stringMatching(fault.yaml),
      });
      // one fault, one finding: nothing else gets lines to change
      const others = Object.values(checks).filter(
        ({ yaml, check }) => yaml !== undefined && check !== fault.check,
      );
      expect(others.map(({ check, detail }) => `${check}: ${detail}`)).toEqual([]);
      const { out } = await doctor(name);
      for (const line of (checks[fault.check]?.yaml ?? '').trimEnd().split('\n'))
        expect(out).toContain(`  ${line}\n`);
    });

    it('should give rights that suffice', async (context) => {
      await start(context, 'rightless', FAULTS['no-rights']?.change ?? (() => {}));
      const before = await checksOf('rightless');
      await apply(before.checks['Kubernetes Events']?.yaml ?? '');
      expect((await checksOf('rightless')).checks['Kubernetes Events']).toMatchObject({ status: 'pass' });
    });
  },
);
