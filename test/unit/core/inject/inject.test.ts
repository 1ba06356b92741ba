import { describe, expect, it } from 'vitest';
import { ANNOTATION_OPTIONS } from '../../../../src/config/inject-config.ts';
import { defaultInjectConfig, type InjectConfig } from '../../../../src/core/inject/config.ts';
import { inject } from '../../../../src/core/inject/inject.ts';
import type { Container, Pod } from '../../../../src/core/inject/pod.ts';
import { uninject } from '../../../../src/core/inject/uninject.ts';
import { podCorpus } from '../../../support/pod-corpus.ts';

const CONFIG = defaultInjectConfig('1.2.3');
const corpus = podCorpus();

const fixture = (name: string): Pod => {
  const found = corpus.find((each) => each.name === name);
  if (!found) throw new Error(`no fixture ${name}`);
  return found.pod;
};
function injected(pod: Pod, config: Partial<InjectConfig> = {}): Pod {
  const result = inject(pod, { ...CONFIG, ...config }, ANNOTATION_OPTIONS);
  if (!('pod' in result)) throw new Error(result.reason);
  return result.pod;
}
const sidecarOf = (pod: Pod): Container & Record<string, unknown> => {
  const found = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find(
    ({ name }) => name === 'spillway',
  );
  if (!found) throw new Error('no sidecar');
  return found;
};
const sidecar = (name: string, config: Partial<InjectConfig> = {}) =>
  sidecarOf(injected(fixture(name), config));
/** Without what is empty: to Kubernetes that is as if it were not there. */
function filled(pod: Pod): unknown {
  const drop = (value: unknown): unknown =>
    value === null || (typeof value === 'object' && Object.keys(value).length === 0) ? undefined : value;
  const metadata = { ...pod.metadata, annotations: drop(pod.metadata?.annotations) };
  const lists = { initContainers: drop(pod.spec?.initContainers), volumes: drop(pod.spec?.volumes) };
  return JSON.parse(
    JSON.stringify({
      ...pod,
      metadata: drop(JSON.parse(JSON.stringify(metadata))),
      spec: { ...pod.spec, ...lists },
    }),
  );
}

describe('injecting', () => {
  it('makes exactly this of a pod', () => {
    const { containers, securityContext } = fixture('restricted').spec ?? {};
    expect(injected(fixture('restricted'))).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'restricted', annotations: { 'spillway.dev/status': 'injected' } },
      spec: {
        automountServiceAccountToken: false,
        securityContext,
        shareProcessNamespace: true,
        containers,
        initContainers: [
          {
            name: 'spillway',
            image: 'ghcr.io/spillway-dev/spillway:1.2.3',
            imagePullPolicy: 'IfNotPresent',
            restartPolicy: 'Always',
            args: ['guard'],
            env: [
              { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
              { name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
              { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
              { name: 'SPILLWAY_AGENT', value: 'container:agent' },
              {
                name: 'SPILLWAY_DOWNWARD_LIMIT',
                valueFrom: { resourceFieldRef: { containerName: 'agent', resource: 'limits.memory' } },
              },
              { name: 'SPILLWAY_POD_RESTART_POLICY', value: 'Always' },
            ],
            ports: [{ name: 'spillway', containerPort: 9797, protocol: 'TCP' }],
            readinessProbe: {
              httpGet: { path: '/readyz', port: 9797 },
              periodSeconds: 1,
              timeoutSeconds: 3,
              failureThreshold: 1,
              successThreshold: 1,
            },
            livenessProbe: {
              httpGet: { path: '/livez', port: 9797 },
              periodSeconds: 10,
              timeoutSeconds: 5,
              failureThreshold: 6,
            },
            resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '128Mi' } },
            securityContext: {
              runAsUser: 10001,
              runAsGroup: 10001,
              runAsNonRoot: true,
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
              seccompProfile: { type: 'RuntimeDefault' },
            },
            volumeMounts: [
              {
                name: 'spillway-token',
                mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
                readOnly: true,
              },
            ],
          },
        ],
        volumes: [{ name: 'spillway-token', emptyDir: {} }],
      },
    });
  });

  it.each(corpus)('does with $name what its file says', ({ name, pod, expect: expected, warns, hook }) => {
    const before = structuredClone(pod);
    const result = inject(pod, CONFIG, ANNOTATION_OPTIONS);
    expect(pod).toEqual(before);
    if (expected === 'injected' || expected === 'unchanged') {
      if (!('pod' in result)) throw new Error(`it was not injected: ${result.reason}`);
      expect(result.pod === pod).toBe(expected === 'unchanged');
      expect(result.warnings).toHaveLength(warns);
      expect(JSON.stringify(result.pod).includes('register.cjs')).toBe(hook);
      // once is enough, and it can be taken back
      expect(injected(result.pod)).toBe(result.pod);
      const bare =
        name !== 'hook-present' && pod.metadata?.annotations?.['spillway.dev/status'] === undefined;
      if (expected === 'injected' && bare) expect(filled(uninject(result.pod))).toEqual(filled(pod));
    } else {
      if (!('reason' in result)) throw new Error('it was injected');
      expect(result.warnings).toHaveLength(expected === 'declined' ? 0 : 1);
      expect(uninject(pod)).toBe(pod);
    }
    for (const warning of result.warnings) expect(warning.length).toBeLessThan(256);
  });

  it('runs beside the agent as the same user and group', () => {
    const ids = (name: string) => {
      const { runAsUser, runAsGroup, runAsNonRoot } = sidecar(name).securityContext ?? {};
      return [runAsUser, runAsGroup, runAsNonRoot];
    };
    expect(ids('user-of-container')).toEqual([2000, 3000, true]);
    expect(ids('user-of-container-group-of-pod')).toEqual([2000, 1000, true]);
    expect(ids('agent-named')).toEqual([1000, 1000, true]);
    expect(ids('group-unknown')).toEqual([1000, undefined, true]);
    expect(ids('user-unknown')).toEqual([undefined, undefined, true]);
    expect(ids('root')).toEqual([0, 0, false]);
  });

  it('has the capabilities of a root agent, and none beside others', () => {
    const capabilities = (name: string) => sidecar(name).securityContext?.capabilities;
    expect(capabilities('plain')).toEqual({ drop: ['ALL'] });
    expect(capabilities('root')).toBeUndefined();
    expect(capabilities('root-dropped')).toEqual({ drop: ['ALL'] });
    expect(capabilities('root-capabilities')).toEqual({ add: ['NET_ADMIN', 'SYS_PTRACE'], drop: ['ALL'] });
    expect(capabilities('root-sys-admin')).toEqual({ add: ['NET_RAW'] });
  });

  it('comes before other init containers and volumes come before its own', () => {
    const { spec } = injected(fixture('init-containers'));
    expect(spec?.initContainers?.map(({ name }) => name)).toEqual(['spillway', 'mesh', 'setup']);
    expect(injected(fixture('volumes')).spec?.volumes?.map(({ name }) => name)).toEqual([
      'work',
      'settings',
      'spillway-token',
    ]);
  });

  it('is one more container in classic form', () => {
    const pod = injected(fixture('init-containers'), { native: false });
    expect(pod.spec?.initContainers?.map(({ name }) => name)).toEqual(['mesh', 'setup']);
    expect(pod.spec?.containers?.map(({ name }) => name)).toEqual(['agent', 'spillway']);
    expect(sidecarOf(pod)).not.toHaveProperty('restartPolicy');
    expect(uninject(pod)).toEqual(fixture('init-containers'));
  });

  it('knows the limit only where there is one', () => {
    const names = (name: string) => (sidecar(name)['env'] as { name: string }[]).map((each) => each.name);
    expect(names('plain')).toContain('SPILLWAY_DOWNWARD_LIMIT');
    expect(names('no-limit')).not.toContain('SPILLWAY_DOWNWARD_LIMIT');
  });

  it('takes part in what a pod has as a whole', () => {
    expect(sidecar('plain')).toHaveProperty('resources');
    expect(sidecar('pod-level-resources')).not.toHaveProperty('resources');
  });

  it('has a limit of cpu where a quota could ask for it: where every other container has one', () => {
    const limits = (name: string, requests: Record<string, string> = {}) =>
      sidecar(name, { resources: { requests, limits: { memory: '128Mi' } } }).resources?.limits;
    expect(limits('limits-cpu')).toEqual({ memory: '128Mi', cpu: '200m' });
    expect(limits('limits-cpu', { cpu: '0.5' })).toEqual({ memory: '128Mi', cpu: '0.5' });
    expect(limits('limits-cpu-some')).toEqual({ memory: '128Mi' });
    expect(sidecar('limits-cpu', { resources: { limits: { cpu: '1' } } }).resources).toEqual({
      limits: { cpu: '1' },
    });
    expect(sidecar('limits-cpu', { resources: {} }).resources).toEqual({ limits: { cpu: '200m' } });
  });

  it('knows whether the agent would be started again', () => {
    const policy = (name: string) =>
      (sidecar(name)['env'] as { name: string; value?: string }[]).find(
        (each) => each.name === 'SPILLWAY_POD_RESTART_POLICY',
      )?.value;
    expect(['deployment', 'job', 'cron-job', 'never-restarted'].map(policy)).toEqual([
      ...['Always', 'Never', 'OnFailure', 'Never'],
    ]);
  });

  it('keeps records in a volume of its own, mounted in it alone', () => {
    const pod = injected(fixture('record-dir'));
    const mount = { name: 'spillway-records', mountPath: '/var/lib/spillway' };
    expect(sidecarOf(pod)['volumeMounts']).toContainEqual(mount);
    expect(pod.spec?.volumes).toContainEqual({ name: 'spillway-records', emptyDir: {} });
    expect(JSON.stringify(pod.spec?.containers)).not.toContain('spillway-records');
    expect(sidecar('plain', { options: { recordDir: '/records' } })['volumeMounts']).toContainEqual({
      ...mount,
      mountPath: '/records',
    });
    for (const name of ['plain', 'record-dir-bad', 'record-dir-system', 'record-dir-relative'])
      expect(JSON.stringify(injected(fixture(name)))).not.toContain('spillway-records');
  });

  describe('the hook', () => {
    const agentIn = (pod: Pod) => pod.spec?.containers?.find(({ name }) => name === 'agent');
    const nodeOptions = (pod: Pod) => agentIn(pod)?.env?.find(({ name }) => name === 'NODE_OPTIONS')?.value;
    const REQUIRE = '--require=/var/run/spillway-hook/register.cjs';

    it('is a file that the sidecar has put there before the agent starts', () => {
      const pod = injected(fixture('hook-beside'));
      expect(sidecarOf(pod)).toMatchObject({
        restartPolicy: 'Always',
        args: ['guard', '--hook-dir=/var/run/spillway-hook', '--record-dir=/records'],
        startupProbe: { httpGet: { path: '/livez', port: 9797 }, periodSeconds: 1 },
      });
      const mount = { name: 'spillway-hook', mountPath: '/var/run/spillway-hook' };
      expect(sidecarOf(pod).volumeMounts).toContainEqual(mount);
      expect(agentIn(pod)?.volumeMounts).toEqual([
        { name: 'own', mountPath: '/var/run/app' },
        { ...mount, readOnly: true },
      ]);
      expect(pod.spec?.volumes).toContainEqual({ name: 'spillway-hook', emptyDir: { sizeLimit: '1Mi' } });
      const others = (each: Pod) => [each.spec?.containers?.at(-1), each.spec?.initContainers?.at(-1)];
      expect(others(pod)).toEqual(others(fixture('hook-beside')));
      expect(sidecar('plain')).not.toHaveProperty('startupProbe');
    });

    it('is appended to NODE_OPTIONS, once', () => {
      const options = (name: string) => nodeOptions(injected(fixture(name)));
      expect(options('hook-appended')).toBe(`--max-old-space-size=200 --title="an agent" ${REQUIRE}`);
      expect(options('hook-present')).toBe(nodeOptions(fixture('hook-present')));
      expect(options('hook-empty')).toBe(` ${REQUIRE}`);
      expect(options('hook-off')).toBe('--enable-source-maps');
    });

    it('goes where no NODE_OPTIONS is set only when told that images have none, and never beside envFrom', () => {
      const added = (name: string) => nodeOptions(injected(fixture(name), { addNodeOptions: true }));
      expect([added('plain'), added('hook-image'), added('hook-env-from-prefix')]).toEqual(
        Array(3).fill(REQUIRE),
      );
      expect([added('hook-env-from'), added('hook-not-node')]).toEqual([undefined, undefined]);
      const pod = injected(fixture('plain'), { addNodeOptions: true });
      expect(uninject(pod)).toEqual(fixture('plain'));
    });

    it('is not there beside a classic sidecar, which may start after the agent', () => {
      for (const { name, hook, pod } of corpus)
        if (hook) {
          const result = inject(pod, { ...CONFIG, native: false }, ANNOTATION_OPTIONS);
          expect(JSON.stringify(result).match(/spillway-hook\b(?!\/register)/), name).toBeNull();
        }
    });

    it('is taken out also where others have appended to it since', () => {
      const later = (name: string, config: Partial<InjectConfig> = {}) => {
        const pod = structuredClone(injected(fixture(name), config));
        const [option] = agentIn(pod)?.env?.filter((each) => each.name === 'NODE_OPTIONS') ?? [];
        if (option) option.value += ' --require /otel.js';
        return nodeOptions(uninject(pod));
      };
      expect(later('hook-appended')).toBe('--max-old-space-size=200 --title="an agent" --require /otel.js');
      expect(later('plain', { addNodeOptions: true })).toBe('--require /otel.js');
    });

    it("leaves a volume of the user's alone, of its name too", () => {
      const pod = fixture('hook-volume-taken');
      expect(uninject(injected(pod))).toEqual(pod);
    });
  });

  it("keeps the gate from the paths of the agent's own probes, beside those of the user", () => {
    const exempt = (pod: Pod, config: Partial<InjectConfig> = {}) =>
      sidecarOf(injected(pod, config)).args?.filter((arg) => arg.startsWith('--gate-exempt='));
    const options = { gateExempt: '/chart' };
    expect(sidecar('probes', { options }).args).toEqual([
      'guard',
      '--hook-dir=/var/run/spillway-hook',
      '--gate-exempt=/own,/status,/ready/1,/a%20b;c=1,/drain',
      '--hold=10s',
    ]);
    expect(exempt(fixture('probes-istio'), { options })).toEqual([
      '--gate-exempt=/chart,/started,/status,/drain',
    ]);
    // the root, and what the option cannot carry
    expect(exempt(fixture('probes-passed-over'))).toEqual([]);
    for (const [name, config] of [
      ['hook-off', {}],
      ['hook-gate-off', {}],
      ['probes-istio', { native: false }],
      ['probes-istio', { options: { gate: 'off' } }],
      ['probes-istio', { options: { gateExempt: '/started,/status,/drain' } }],
    ] as const)
      expect(exempt(fixture(name), config), name).toEqual([]);
    const [agent] = structuredClone(fixture('hook-appended').spec?.containers ?? []);
    if (!agent) throw new Error('no container');
    for (const path of [`/${'x'.repeat(256)}`, 7, null, '', '/ü', '/%zz', '/a\nb', '#a']) {
      const startupProbe = { httpGet: { path: path as string } };
      expect(exempt({ spec: { containers: [{ ...agent, startupProbe }] } }), `${path}`).toEqual([]);
    }
  });

  it('takes the URL of the webhook from a Secret, which may be missing', () => {
    const webhookUrlSecret = { name: 'alerts', key: 'url' };
    expect(sidecar('plain', { webhookUrlSecret })['env']).toContainEqual({
      name: 'SPILLWAY_WEBHOOK_URL',
      valueFrom: { secretKeyRef: { name: 'alerts', key: 'url', optional: true } },
    });
  });

  it('never guards the proxy of a mesh, and gets its probes past it', () => {
    const agentIn = (name: string) =>
      (sidecar(name)['env'] as { name: string; value?: string }[]).find(
        (each) => each.name === 'SPILLWAY_AGENT',
      )?.value;
    for (const name of [
      'mesh-linkerd-first',
      'mesh-istio-first',
      'mesh-istio-native',
      'default-container-gone',
    ])
      expect(agentIn(name), name).toBe('container:agent');
    const list = (name: string, annotation: string) =>
      injected(fixture(name)).metadata?.annotations?.[annotation];
    const istio = 'traffic.sidecar.istio.io/excludeInboundPorts';
    const linkerd = 'config.linkerd.io/skip-inbound-ports';
    expect(list('mesh-istio-native', istio)).toBe('15020,9797');
    expect(list('mesh-linkerd-first', linkerd)).toBe('4567,4568,9797');
    expect([list('mesh-lists', istio), list('mesh-lists', linkerd)]).toEqual(['9797', '9797, 25']);
    // a list on the pod would stand for the whole mesh's
    expect([list('mesh-istio-first', istio), list('plain', istio), list('plain', linkerd)]).toEqual([
      ...[undefined, undefined, undefined],
    ]);
    const init = injected(fixture('mesh-istio-first')).spec?.initContainers?.find(
      ({ name }) => name === 'istio-init',
    );
    expect(init?.args?.slice(-2)).toEqual(['-d', '15090,15021,15020,9797']);
  });

  it('takes its options from the configuration, sorted, and from annotations', () => {
    const { env, args } = sidecar('options', {
      options: { shedRatio: '0.7', hold: '3s', gcStallBudget: '5%' },
    });
    expect((env as object[]).slice(-3)).toEqual([
      { name: 'SPILLWAY_GC_STALL_BUDGET', value: '5%' },
      { name: 'SPILLWAY_HOLD', value: '3s' },
      { name: 'SPILLWAY_SHED_RATIO', value: '0.7' },
    ]);
    expect(args).toEqual(['guard', '--gc=off', '--hold=10s', '--shed-ratio=0.8']);
    expect(sidecar('options-bad')['args']).toEqual(['guard', '--gc=auto']);
    expect(sidecar('options-disordered')['args']).toEqual(['guard', '--hold=7s']);
    expect(sidecar('options-forbidden')['args']).toEqual(['guard']);
  });

  it('judges annotations beside the configured options', () => {
    const result = inject(
      fixture('options'),
      { ...CONFIG, options: { warnRatio: '0.82', criticalRatio: '0.9' } },
      ANNOTATION_OPTIONS,
    );
    expect(result.warnings).toEqual([
      'annotation spillway.dev/shed-ratio is not used: warnRatio 0.82 must be below shedRatio 0.8',
    ]);
  });

  it('mounts a token only where events may be posted', () => {
    const volume = (name: string, events: boolean) =>
      Object.keys(injected(fixture(name), { events }).spec?.volumes?.at(-1) ?? {});
    expect(volume('plain', true)).toEqual(['name', 'projected']);
    expect(volume('plain', false)).toEqual(['name', 'emptyDir']);
    expect(volume('events-off', true)).toEqual(['name', 'emptyDir']);
    expect(injected(fixture('plain')).spec?.volumes).toEqual([
      {
        name: 'spillway-token',
        projected: {
          defaultMode: 292,
          sources: [
            { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
            { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
            {
              downwardAPI: {
                items: [
                  { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } },
                ],
              },
            },
          ],
        },
      },
    ]);
    // a pod that wants no token in its containers gets none by injection, unless it says so
    expect(volume('automount-false', true)).toEqual(['name', 'emptyDir']);
    expect(volume('automount-false-events-on', false)).toEqual(['name', 'projected']);
    // something stands in its place all the same, or the agent's own token would
    expect(sidecar('plain', { events: false })).toHaveProperty('volumeMounts');
  });

  it('takes what the API would refuse for what is meant, or leaves it', () => {
    const pod = fixture('plain');
    const labelled = { ...pod, metadata: { labels: { 'spillway.dev/inject': false } } } as unknown as Pod;
    expect(inject(labelled, CONFIG, ANNOTATION_OPTIONS)).toMatchObject({ warnings: [] });
    const annotations = { 'spillway.dev/hold': 5, 'spillway.dev/agent-container': 7 };
    const numbers = { ...pod, metadata: { annotations } } as unknown as Pod;
    expect(inject(numbers, CONFIG, ANNOTATION_OPTIONS)).toMatchObject({
      reason: 'there is no container "7"',
    });
    const one = { ...pod, metadata: { annotations: { 'spillway.dev/hold': 5 } } } as unknown as Pod;
    expect(inject(one, CONFIG, ANNOTATION_OPTIONS).warnings).toEqual([
      'annotation spillway.dev/hold is not used: put it in quotes',
    ]);
  });
});
