import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { defaultInjectConfig } from '../../src/core/inject/config.ts';
import { inject } from '../../src/core/inject/inject.ts';
import {
  CERT_MANAGER,
  type Given,
  helms,
  type Manifest,
  notes,
  POLICY,
  PROMETHEUS,
  render,
  renderText,
  VALIDATING,
  versionOf,
} from './support/helm.ts';

const kindsOf = (manifests: Manifest[]) => new Set(manifests.map(({ kind }) => kind));
const one = (manifests: Manifest[], kind: string, name?: string) => {
  const found = manifests.filter(
    (manifest) => manifest.kind === kind && (name === undefined || manifest.metadata.name === name),
  );
  expect(
    found.map(({ metadata }) => metadata.name),
    kind,
  ).toHaveLength(1);
  return found[0]!;
};
/** The policy that injects, and the one that warns, beside those that look at the room in a namespace. */
const INJECTS = ['MutatingAdmissionPolicy', 'spillway.spillway.dev'] as const;
const WARNS = ['ValidatingAdmissionPolicy', 'warnings.spillway.spillway.dev'] as const;
/** The right to look at the room in namespaces. */
const ROOM = { apiGroups: [''], resources: ['resourcequotas', 'limitranges'], verbs: ['list'] };
/** The first link to a runbook in a PrometheusRule. */
const runbookOf = (rule: Manifest) =>
  (rule['spec'].groups as { rules: { annotations?: Record<string, string> }[] }[])
    .flatMap(({ rules }) => rules)
    .flatMap(({ annotations }) => annotations?.['runbook_url'] ?? [])[0];
/** Without what only `helm test` makes. */
const installed = (helm: string, given: Given = {}) =>
  render(helm, given).filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === undefined);

if (helms().length === 0)
  describe.skip('the chart (skipped: no helm on PATH, none in TEST_HELM)', () => it('renders', () => {}));

describe.each(
  helms().map((helm) => [versionOf(helm), helm] as const),
)('the chart, by helm %s', (_version, helm) => {
  const APIS = [POLICY, CERT_MANAGER, ...PROMETHEUS];

  describe('injector.mode', () => {
    it('should take the policy where the cluster has it, and run nothing', () => {
      const kinds = kindsOf(installed(helm, { apis: [POLICY] }));
      expect(kinds).toContain('MutatingAdmissionPolicy');
      expect(kinds).toContain('ValidatingAdmissionPolicy');
      for (const kind of [
        'Deployment',
        'MutatingWebhookConfiguration',
        'Secret',
        'Service',
        'ServiceAccount',
      ])
        expect(kinds).not.toContain(kind);
    });

    it('should take the webhook where it has not, and no policy', () => {
      const kinds = kindsOf(installed(helm));
      expect(kinds).toContain('MutatingWebhookConfiguration');
      expect([...kinds].filter((kind) => kind.includes('Policy'))).toEqual(['NetworkPolicy']);
    });

    it.each(['policy', 'webhook', 'none'])('should hold to %s when told, never both', (mode) => {
      const kinds = kindsOf(installed(helm, { apis: [POLICY], set: [`injector.mode=${mode}`] }));
      expect(kinds.has('MutatingAdmissionPolicy')).toBe(mode === 'policy');
      expect(kinds.has('MutatingWebhookConfiguration')).toBe(mode === 'webhook');
      expect(kinds.has('Deployment')).toBe(mode === 'webhook');
    });

    it('should leave out its own and the system namespaces, in both ways', () => {
      for (const apis of [[], [POLICY]]) {
        const manifests = installed(helm, { apis, namespace: 'elsewhere' });
        const selectors = manifests.flatMap(({ kind, spec, webhooks }) =>
          kind.endsWith('Binding') && spec?.matchResources
            ? [spec.matchResources.namespaceSelector]
            : kind === 'MutatingWebhookConfiguration'
              ? (webhooks as { namespaceSelector: unknown }[]).map(
                  ({ namespaceSelector }) => namespaceSelector,
                )
              : [],
        );
        expect(selectors.length).toBeGreaterThan(1);
        for (const { matchExpressions } of selectors)
          expect(matchExpressions).toContainEqual({
            key: 'kubernetes.io/metadata.name',
            operator: 'NotIn',
            values: ['elsewhere', 'kube-node-lease', 'kube-public', 'kube-system'],
          });
      }
    });

    it('should warn of a lost QoS class only where the sidecar takes it', () => {
      const keeps = ['cpu=100m', 'memory=128Mi'].flatMap((amount) =>
        ['requests', 'limits'].map((kind) => `sidecar.resources.${kind}.${amount}`),
      );
      const warns = (set: string[]) =>
        JSON.stringify(one(installed(helm, { apis: [POLICY], set }), ...WARNS)).includes(
          'true && !has(variables.spec.resources)',
        );
      // the last with the request of cpu that the values have: a lower one
      expect([warns([]), warns(keeps), warns(keeps.slice(1))]).toEqual([true, false, true]);
    });

    it('should select by label so that no pod is looked at twice, and none that asks for nothing', () => {
      for (const apis of [[], [POLICY]]) {
        const manifests = installed(helm, { apis });
        const pairs =
          apis.length > 0
            ? manifests
                .filter(
                  ({ kind, spec }) =>
                    kind === 'MutatingAdmissionPolicyBinding' && spec.policyName === INJECTS[1],
                )
                .map(({ spec }) => spec.matchResources)
            : one(manifests, 'MutatingWebhookConfiguration')['webhooks'];
        const matches = (namespace: string | undefined, pod: string | undefined) =>
          pairs.filter(
            ({ namespaceSelector, objectSelector }: Record<string, Selector>) =>
              selects(namespaceSelector, namespace) && selects(objectSelector, pod),
          ).length;
        const table = ['true', 'false', 'odd', undefined].map((namespace) =>
          ['true', 'false', 'odd', undefined].map((pod) => matches(namespace, pod)),
        );
        expect(table).toEqual([
          [1, 0, 1, 1],
          [1, 0, 0, 0],
          [1, 0, 0, 0],
          [1, 0, 0, 0],
        ]);
      }
    });
  });

  describe('the webhook', () => {
    it('should never keep a pod from starting, and never wait long', () => {
      for (const webhook of one(installed(helm), 'MutatingWebhookConfiguration')['webhooks'])
        expect(webhook).toMatchObject({ failurePolicy: 'Ignore', timeoutSeconds: 5, sideEffects: 'None' });
    });

    it('should run twice, restricted, and stay while nodes are drained', () => {
      const manifests = installed(helm);
      const { spec } = one(manifests, 'Deployment');
      expect(spec.replicas).toBe(2);
      // no user, in no container: OpenShift assigns one, and admits no pod that names another
      expect(spec.template.spec.securityContext).toEqual({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(spec.template.spec.containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const { spec: budget } = one(manifests, 'PodDisruptionBudget');
      expect(budget.minAvailable).toBe(1);
      for (const labels of [
        budget.selector.matchLabels,
        one(manifests, 'Service')['spec'].selector,
        one(manifests, 'NetworkPolicy')['spec'].podSelector.matchLabels,
      ])
        expect(spec.template.metadata.labels).toMatchObject(labels);
      expect(kindsOf(installed(helm, { set: ['injector.replicas=1'] }))).not.toContain('PodDisruptionBudget');
    });

    it('should have rights to its own Secret, its own configuration and to look at the room in namespaces, and to nothing else', () => {
      const manifests = installed(helm, { set: ['rbac.create=false'] });
      const { name } = one(manifests, 'MutatingWebhookConfiguration').metadata;
      const rules = manifests.filter(({ kind }) => kind.endsWith('Role')).flatMap((role) => role['rules']);
      expect(rules).toEqual([
        {
          apiGroups: ['admissionregistration.k8s.io'],
          resources: ['mutatingwebhookconfigurations'],
          resourceNames: [name],
          verbs: ['get', 'patch'],
        },
        ROOM,
        {
          apiGroups: [''],
          resources: ['secrets'],
          resourceNames: [one(manifests, 'Secret').metadata.name],
          verbs: ['get', 'update'],
        },
      ]);
      // each maker of a certificate has a Secret of its own: helm takes none over that cert-manager leaves behind
      const set = ['injector.certManager.enabled=true'];
      const { spec } = one(installed(helm, { apis: [CERT_MANAGER], set }), 'Certificate');
      expect(spec.secretName).not.toBe(one(manifests, 'Secret').metadata.name);
      expect(one(manifests, 'Secret')['type']).toBe('Opaque');
    });

    it('should be asked before the meshes, and again after them', () => {
      const manifests = installed(helm, { set: ['fullnameOverride=zz'] });
      const { metadata, webhooks } = one(manifests, 'MutatingWebhookConfiguration');
      const others = ['istio-sidecar-injector', 'linkerd-proxy-injector-webhook-config', '0500-a.example'];
      expect([...others, metadata.name].sort()[0]).toBe(metadata.name);
      for (const webhook of webhooks) expect(webhook.reinvocationPolicy).toBe('IfNeeded');
      const { args } = one(manifests, 'Deployment')['spec'].template.spec.containers[0];
      expect(args).toContain(`--webhook-configuration=${metadata.name}`);
      expect(args).toContain(`--secret=${one(manifests, 'Secret').metadata.name}`);
    });

    it('should take its certificate from cert-manager, and then have no right but to look at the room in namespaces', () => {
      const set = ['injector.certManager.enabled=true', 'rbac.create=false'];
      const manifests = installed(helm, { apis: [CERT_MANAGER], set });
      const { metadata, webhooks } = one(manifests, 'MutatingWebhookConfiguration');
      const { spec } = one(manifests, 'Certificate');
      expect(metadata.annotations?.['cert-manager.io/inject-ca-from']).toBe('spillway/spillway-injector');
      expect(spec.dnsNames).toEqual([`${webhooks[0].clientConfig.service.name}.spillway.svc`]);
      const pod = one(manifests, 'Deployment')['spec'].template.spec;
      expect(pod.volumes).toContainEqual({ name: 'certificate', secret: { secretName: spec.secretName } });
      const rights = manifests.filter(({ kind }) => /Role$|^Secret/.test(kind));
      expect(rights.map(({ kind, rules }) => [kind, rules])).toEqual([['ClusterRole', [ROOM]]]);
      const own = installed(helm, {
        apis: [CERT_MANAGER],
        set: [...set, 'injector.certManager.issuerRef.name=ours'],
      });
      expect(kindsOf(own)).not.toContain('Issuer');
    });

    it('should read the sidecar that the values say', () => {
      const set = [
        'guardian.shedRatio=0.8',
        'guardian.limit=536870912',
        'guardian.events=off',
        'sidecar.native=false',
      ];
      const { data } = one(installed(helm, { set: [...set, 'sidecar.resources.limits.cpu=1'] }), 'ConfigMap');
      expect(parse(data['sidecar.yaml'])).toEqual({
        image: 'ghcr.io/spillway-dev/spillway:0.1.0',
        imagePullPolicy: 'IfNotPresent',
        native: false,
        addNodeOptions: false,
        events: false,
        options: { shedRatio: '0.8', limit: '536870912', events: 'off' },
        resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '128Mi', cpu: '1' } },
      });
    });
  });

  it('should have the sidecar request the memory it is limited to, where the values say no other', () => {
    const webhook = (...set: string[]) =>
      parse(one(installed(helm, { set }), 'ConfigMap')['data']['sidecar.yaml']).resources;
    expect(webhook('sidecar.resources.limits.memory=96Mi')).toEqual({
      requests: { cpu: '50m', memory: '96Mi' },
      limits: { memory: '96Mi' },
    });
    const more = 'sidecar.resources.requests.memory=64Mi';
    expect(webhook('sidecar.resources.limits.memory=96Mi', more).requests.memory).toBe('64Mi');
    expect(webhook('sidecar.resources.limits.memory=null')).toEqual({ requests: { cpu: '50m' } });
    const given = { apis: [POLICY], set: ['sidecar.resources.limits.memory=96Mi', 'demo.enabled=true'] };
    const manifests = installed(helm, given);
    expect(JSON.stringify(one(manifests, ...INJECTS))).toContain(
      'requests: {\\"cpu\\": \\"50m\\", \\"memory\\": \\"96Mi\\"}',
    );
    const demo = one(manifests, 'Deployment')['spec'].template.spec.initContainers[0];
    expect(demo.resources.requests.memory).toBe('96Mi');
  });

  describe('the room in a namespace', () => {
    const room = (given: Given) =>
      installed(helm, given).filter(({ metadata }) => /(resourcequota|limitrange)\./.test(metadata.name));

    it('should be looked at by policies of their own, for the same pods as injection, which keep no pod from starting', () => {
      const manifests = installed(helm, { apis: [POLICY] });
      const selectors = (of: Manifest[]) => of.map(({ spec }) => spec.matchResources);
      const bindings = (list: Manifest[], policy: string) =>
        list.filter(
          ({ kind, spec }) => kind === 'MutatingAdmissionPolicyBinding' && spec.policyName === policy,
        );
      for (const kind of ['ResourceQuota', 'LimitRange']) {
        const name = `${kind.toLowerCase()}.spillway.spillway.dev`;
        const { spec } = one(manifests, 'MutatingAdmissionPolicy', name);
        expect(spec.paramKind).toEqual({ apiVersion: 'v1', kind });
        expect([spec.failurePolicy, spec.reinvocationPolicy]).toEqual(['Ignore', 'IfNeeded']);
        const own = bindings(manifests, name);
        expect(selectors(own)).toEqual(selectors(bindings(manifests, 'spillway.spillway.dev')));
        for (const binding of own)
          expect(binding['spec'].paramRef).toEqual({ selector: {}, parameterNotFoundAction: 'Allow' });
      }
    });

    it('should be looked at for the webhook by itself, but for workloads', () => {
      const kinds = kindsOf(room({ apis: [VALIDATING], set: ['injector.mode=webhook'] }));
      expect([...kinds]).toEqual(['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding']);
      expect(room({ apis: [POLICY], set: ['injector.mode=none'] })).toEqual([]);
    });

    it('should be measured by what the sidecar asks for', () => {
      const asked = (...set: string[]) => {
        const policy = one(
          room({ apis: [POLICY], set }),
          'MutatingAdmissionPolicy',
          'resourcequota.spillway.spillway.dev',
        );
        const variables = policy['spec'].variables as { name: string; expression: string }[];
        return Object.fromEntries(variables.map(({ name, expression }) => [name, expression]));
      };
      expect(JSON.parse(asked()['asked'] ?? '')).toEqual({
        ...{ 'limits.cpu': '200m', 'limits.memory': '128Mi' },
        ...{ 'requests.cpu': '50m', 'requests.memory': '128Mi' },
      });
      const less = asked('sidecar.resources.requests.cpu=null', 'sidecar.resources.limits.memory=null');
      expect(JSON.parse(less['asked'] ?? '')).toEqual({ 'limits.cpu': '200m' });
      expect(less['lacking']).toContain('["limits.memory","requests.cpu","requests.memory"]');
    });
  });

  describe('the URL of a webhook', () => {
    it('should be told to be no secret where it is a value', () => {
      const words = 'Everybody who may read pods can read guardian.webhookUrl';
      expect(notes(helm, { set: ['guardian.webhookUrl=https://a.example/'] })).toContain(words);
      expect(notes(helm, { set: ['sidecar.webhookUrlSecret.name=alerts'] })).not.toContain(words);
    });

    it('should come from a Secret where one is named, and keep no pod from starting without it', () => {
      const set = ['sidecar.webhookUrlSecret.name=alerts', 'sidecar.webhookUrlSecret.key=chat'];
      const { data } = one(installed(helm, { set }), 'ConfigMap');
      expect(parse(data['sidecar.yaml']).webhookUrlSecret).toEqual({ name: 'alerts', key: 'chat' });
      const [demo] = installed(helm, { set: [...set, 'demo.enabled=true', 'injector.mode=none'] }).filter(
        ({ kind }) => kind === 'Deployment',
      );
      expect(demo?.['spec'].template.spec.initContainers[0].env).toContainEqual({
        name: 'SPILLWAY_WEBHOOK_URL',
        valueFrom: { secretKeyRef: { name: 'alerts', key: 'chat', optional: true } },
      });
      const policy = JSON.stringify(one(installed(helm, { set, apis: [POLICY] }), ...INJECTS));
      expect(policy).toContain('secretKeyRef{key: \\"chat\\", name: \\"alerts\\", optional: true}');
    });
  });

  describe('warnings', () => {
    const warnings = (given: Given) =>
      installed(helm, given).filter(
        ({ kind, metadata }) => kind.startsWith('ValidatingAdmission') && metadata.name.includes('warnings'),
      );

    it('should reach who applies a workload, by policy and by webhook', () => {
      for (const apis of [[POLICY], [VALIDATING]]) {
        const found = warnings({ apis });
        expect(found.map(({ kind }) => kind)).toEqual([
          ...Array(3).fill('ValidatingAdmissionPolicy'),
          ...Array(5).fill('ValidatingAdmissionPolicyBinding'),
        ]);
        for (const { spec } of found.filter(({ kind }) => kind === 'ValidatingAdmissionPolicyBinding'))
          expect(spec.validationActions).toEqual(['Warn']);
        expect(JSON.stringify(found)).toContain('"deployments"');
      }
      expect(warnings({ apis: [] })).toEqual([]);
      expect(warnings({ apis: [VALIDATING], set: ['injector.mode=none'] })).toEqual([]);
    });

    it('should say of a pod that nothing came of it, in the words of what should have', () => {
      expect(JSON.stringify(warnings({ apis: [POLICY] }))).toContain('the policy did not run');
      expect(JSON.stringify(warnings({ apis: [VALIDATING] }))).toContain('the webhook did not answer');
    });
  });

  it('should read an unquoted `off` of a values file as the word it is', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'spillway-values-')), 'values.yaml');
    writeFileSync(file, 'guardian:\n  events: off\n  recycle: on\n  gc: "off"\n');
    try {
      const text = renderText(helm, { apis: [] }, '--values', file);
      expect(text).toContain('options: {"events":"off","gc":"off","recycle":"on"}');
      expect(text).not.toContain('name: spillway-events');
    } finally {
      rmSync(dirname(file), { recursive: true });
    }
  });

  describe('rights of guardians', () => {
    const rights = (set: string[]) =>
      installed(helm, { apis: [POLICY], set }).filter(({ kind }) => /Role/.test(kind));

    it('should be to create and patch Events, in the namespaces named', () => {
      const [role, ...bindings] = rights(['rbac.namespaces={a,b}']);
      expect(role?.['rules']).toEqual([
        { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
      ]);
      expect(
        bindings.map(({ kind, metadata, subjects }) => [kind, metadata.namespace, subjects[0].name]),
      ).toEqual([
        ['RoleBinding', 'a', 'system:serviceaccounts:a'],
        ['RoleBinding', 'b', 'system:serviceaccounts:b'],
      ]);
    });

    it('should be given everywhere only when told', () => {
      expect(rights([]).map(({ kind }) => kind)).toEqual(['ClusterRole']);
      expect(rights(['rbac.allNamespaces=true']).map(({ kind }) => kind)).toEqual([
        'ClusterRole',
        'ClusterRoleBinding',
      ]);
      expect(rights(['rbac.create=false'])).toEqual([]);
    });

    it('should be confined by a policy to what guardians do, where there are such policies', () => {
      const policies = (set: string[], apis = [VALIDATING]) =>
        installed(helm, { apis, set: [...set, 'injector.mode=none'] }).filter(({ kind }) =>
          kind.startsWith('ValidatingAdmissionPolicy'),
        );
      const [policy, binding] = policies(['rbac.namespaces={a,b}']);
      expect(policy?.['spec']).toMatchObject({ failurePolicy: 'Fail' });
      expect(binding?.['spec'].policyName).toBe(policy?.metadata.name);
      expect(binding?.['spec'].matchResources.namespaceSelector.matchExpressions[0].values).toEqual([
        'a',
        'b',
      ]);
      expect(policies(['rbac.allNamespaces=true'])[1]?.['spec'].matchResources).toBeUndefined();
      expect(policies([])).toEqual([]);
      expect(policies(['rbac.namespaces={a}'], [])).toEqual([]);
    });

    it('should be none where Events are off', () => {
      expect(rights(['guardian.events=off'])).toEqual([]);
    });
  });

  describe('the hook', () => {
    const policy = (...set: string[]) =>
      JSON.stringify(one(installed(helm, { apis: [POLICY], set }), ...INJECTS));

    it('should be put in place by the policy beside native sidecars alone', () => {
      expect(policy()).toContain('/volumeMounts/-');
      expect(policy()).toContain('startupProbe');
      for (const part of ['/volumeMounts/-', 'startupProbe', 'agentPath'])
        expect(policy('sidecar.native=false')).not.toContain(part);
    });

    it('should be off, or added without a value of its own, where the values say so', () => {
      expect(policy('guardian.hook=off')).toContain('.trim() : \\"off\\"');
      const { data } = one(installed(helm, { set: ['sidecar.addNodeOptions=true'] }), 'ConfigMap');
      expect(parse(data['sidecar.yaml']).addNodeOptions).toBe(true);
    });

    it('should go with the sidecar where there is no room for it', () => {
      const room = one(
        installed(helm, { apis: [POLICY] }),
        'MutatingAdmissionPolicy',
        'limitrange.spillway.spillway.dev',
      );
      const { expression } = room['spec'].mutations[0].jsonPatch;
      expect(expression).toContain('variables.hookedAt');
    });

    it('should be told to need NODE_OPTIONS, where it is on', () => {
      const words = 'Node agents get the hook where env';
      expect(notes(helm, { set: [] })).toContain(words);
      for (const value of ['guardian.hook=off', 'sidecar.addNodeOptions=true', 'injector.mode=none'])
        expect(notes(helm, { set: [value] })).not.toContain(words);
      expect(notes(helm, { set: ['sidecar.native=false'] })).toContain('no hook beside a classic sidecar');
    });
  });

  describe('what it says in the end', () => {
    const first = (set: string[], apis: string[] = [VALIDATING]) => notes(helm, { apis, set }).split('\n')[0];

    it('should begin with what is missing', () => {
      expect(first([])).toMatch(/^Missing: no guardian may post Events yet.*rbac\.namespaces/);
      expect(first(['rbac.namespaces={a}'])).toMatch(/^Injection is by/);
      expect(first(['guardian.events=off'])).toMatch(/^Injection is by/);
    });

    it('should say what the right to post Events reaches where nothing confines it', () => {
      const words = 'may create and patch any Event';
      expect(first(['rbac.namespaces={a}'], [])).toContain(`of these namespaces ${words} there`);
      expect(first(['rbac.allNamespaces=true'], [])).toContain(`of the cluster ${words} in every namespace`);
    });
  });

  it('should test with rights where agents are, and there only to create pods', () => {
    const rights = (set: string[]) =>
      render(helm, { set }).filter(
        ({ kind, metadata }) => kind === 'RoleBinding' && metadata.annotations?.['helm.sh/hook'] === 'test',
      );
    const bindings = rights(['rbac.namespaces={a,b}']);
    expect(bindings.map(({ metadata }) => metadata.namespace).slice(1)).toEqual(['a', 'b']);
    const roles = render(helm).filter(({ kind }) => kind === 'ClusterRole');
    for (const { roleRef } of bindings)
      expect(roles.find(({ metadata }) => metadata.name === roleRef.name)?.['rules']).toEqual([
        { apiGroups: [''], resources: ['pods'], verbs: ['create'] },
      ]);
    expect(rights([])).toHaveLength(1);
  });

  it("should close the guardians' port to others where told, and no other port", () => {
    const set = [
      'networkPolicy.agents.namespaces={a}',
      'networkPolicy.agents.from[0].podSelector.matchLabels.app=p',
    ];
    const policies = installed(helm, { set }).filter(({ metadata }) => metadata.namespace === 'a');
    const [{ ports: open }, { ports, from }] = one(policies, 'NetworkPolicy')['spec'].ingress;
    const taken = (port: number) =>
      open.some(
        (each: { port?: number; endPort?: number; protocol: string }) =>
          each.protocol === 'TCP' && port >= (each.port ?? 1) && port <= (each.endPort ?? each.port ?? 65535),
      );
    expect([1, 8080, 9796, 9797, 9798, 65535].filter(taken)).toEqual([1, 8080, 9796, 9798, 65535]);
    expect([ports, from]).toEqual([
      [{ port: 9797, protocol: 'TCP' }],
      [{ podSelector: { matchLabels: { app: 'p' } } }],
    ]);
    expect(installed(helm).filter(({ metadata }) => metadata.name.endsWith('-guardian'))).toEqual([]);
  });

  describe('the demo', () => {
    /** The agent's pod as somebody would write it, without what injection adds. */
    function bare({ metadata, spec }: Manifest) {
      // the agent of the demo has no token, its guardian has one for its Events
      const { shareProcessNamespace: _, automountServiceAccountToken: _own, ...rest } = spec;
      const not = (name: string) => (item: { name: string }) => item.name !== name;
      return {
        metadata: { ...metadata, annotations: {} },
        spec: {
          ...rest,
          initContainers: [],
          containers: spec.containers.filter(not('spillway')).map((agent: Manifest) => ({
            ...agent,
            env: agent['env'].map((each: { name: string; value: string }) => ({
              ...each,
              ...(each.name === 'NODE_OPTIONS' ? { value: '' } : {}),
            })),
            volumeMounts: agent['volumeMounts'].filter(not('spillway-hook')),
          })),
          volumes: spec.volumes.filter(({ name }: { name: string }) => !name.startsWith('spillway-')),
        },
      };
    }

    it.each([
      ['native', true, 'auto'],
      ['classic', false, 'auto'],
      ['without a token', true, 'off'],
      ['without the hook', true, 'auto', 'off'],
    ])('should have the sidecar that injection makes: %s', (_name, native, events, hook = 'auto') => {
      const set = [
        'demo.enabled=true',
        `sidecar.native=${native}`,
        `guardian.events=${events}`,
        `guardian.hook=${hook}`,
        'injector.mode=none',
      ];
      const { template } = one(installed(helm, { set }), 'Deployment')['spec'];
      const config = {
        ...defaultInjectConfig('0.1.0'),
        native,
        events: events !== 'off',
        options: { events, hook },
      };
      const result = inject(bare(template), config, { flags: new Set(), problems: () => [] });
      if (!('pod' in result)) throw new Error(result.reason);
      const made = result.pod.spec as typeof template.spec;
      const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
      for (const key of ['containers', 'volumes'])
        expect([...template.spec[key]].sort(byName)).toEqual([...made[key]].sort(byName));
      expect(template.spec.initContainers ?? []).toEqual(made.initContainers);
      expect(template.spec.shareProcessNamespace).toBe(true);
      expect(template.metadata.annotations['spillway.dev/status']).toBe('injected');
    });

    it('should run without an injector, and post Events by a right of its own', () => {
      const manifests = installed(helm, { set: ['demo.enabled=true', 'injector.mode=none'] });
      expect(one(manifests, 'RoleBinding')['subjects']).toEqual([
        { kind: 'ServiceAccount', name: 'spillway-demo', namespace: 'spillway' },
      ]);
      expect(one(manifests, 'RoleBinding')['roleRef'].name).toBe(one(manifests, 'ClusterRole').metadata.name);
    });

    it('should not be there by default', () => {
      expect(installed(helm).some(({ metadata }) => metadata.name.includes('demo'))).toBe(false);
    });
  });

  describe('what watches', () => {
    it('should be there where its kinds are, else not', () => {
      for (const apis of [[], PROMETHEUS]) {
        const kinds = kindsOf(installed(helm, { apis, set: ['injector.mode=none'] }));
        expect(kinds.has('PodMonitor')).toBe(apis.length > 0);
        expect(kinds.has('PrometheusRule')).toBe(apis.length > 0);
      }
    });

    it('should be left out when told', () => {
      const set = ['podMonitor', 'prometheusRule', 'dashboard'].map((name) => `${name}.enabled=false`);
      expect(
        kindsOf(installed(helm, { apis: APIS, set: [...set, 'injector.mode=none', 'rbac.create=false'] })),
      ).toEqual(new Set());
    });

    it('should find every guardian by its port, and the webhook where it runs', () => {
      const given = { apis: PROMETHEUS, set: ['podMonitor.interval=5s'] };
      const [guardians, injector, ...more] = installed(helm, given).filter(
        ({ kind }) => kind === 'PodMonitor',
      );
      expect(more).toEqual([]);
      const { template } = one(installed(helm, given), 'Deployment')['spec'];
      expect(injector?.['spec'].podMetricsEndpoints[0]).toMatchObject({ scheme: 'https', port: 'https' });
      expect(template.metadata.labels).toMatchObject(injector?.['spec'].selector.matchLabels);
      // what the alerts know it by
      expect(template.spec.containers[0].name).toBe('spillway-injector');
      const byPolicy = installed(helm, { apis: [...PROMETHEUS, POLICY] });
      expect(byPolicy.filter(({ kind }) => kind === 'PodMonitor')).toHaveLength(1);
      expect(guardians?.['spec']).toEqual({
        namespaceSelector: { any: true },
        selector: {},
        podMetricsEndpoints: [{ port: 'spillway', path: '/metrics', interval: '5s' }],
      });
    });

    it('should hold rules and a dashboard that parse, with the labels asked for', () => {
      const manifests = installed(helm, { apis: PROMETHEUS, set: ['prometheusRule.labels.release=ours'] });
      const rule = one(manifests, 'PrometheusRule');
      expect(rule['spec'].groups[0].rules.length).toBeGreaterThan(0);
      expect(rule.metadata.labels?.['release']).toBe('ours');
      expect(runbookOf(rule)).toMatch(/^https:\/\/github\.com\/.*\/RUNBOOKS\.md#spillwayfleetshedding$/);
      const elsewhere = ['prometheusRule.runbookUrl=https://wiki.example/spillway'];
      const moved = one(installed(helm, { apis: PROMETHEUS, set: elsewhere }), 'PrometheusRule');
      expect(runbookOf(moved)).toBe('https://wiki.example/spillway#spillwayfleetshedding');
      const map = manifests.find(({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1');
      expect(JSON.parse(map?.['data']['spillway.json'])).toHaveProperty('panels');
    });
  });

  it('should name and label everything alike, also under another name', () => {
    const set = ['fullnameOverride=guard', 'demo.enabled=true', 'rbac.namespaces={a}'];
    for (const apis of [APIS, []]) {
      for (const { kind, metadata } of render(helm, { apis, set })) {
        expect.soft(metadata.name, kind).toMatch(/(^|\.|^00-)guard([-.]|$)/);
        expect
          .soft(Object.keys(metadata.labels ?? {}), `${kind} ${metadata.name}`)
          .toEqual(
            expect.arrayContaining(
              ['name', 'instance', 'component', 'part-of', 'version', 'managed-by'].map(
                (key) => `app.kubernetes.io/${key}`,
              ),
            ),
          );
      }
    }
  });

  it('should take addresses of both families where the cluster has them', () => {
    for (const { metadata, spec } of render(helm, { set: ['demo.enabled=true'] }).filter(
      ({ kind }) => kind === 'Service',
    ))
      expect(spec.ipFamilyPolicy, metadata.name).toBe('PreferDualStack');
  });

  it('should name no user on OpenShift, which assigns one to the whole pod', () => {
    const apis = ['security.openshift.io/v1'];
    for (const { kind, metadata, spec } of render(helm, { apis, set: ['demo.enabled=true'] })) {
      const pod = kind === 'Pod' ? spec : kind === 'Deployment' ? spec.template.spec : { containers: [] };
      for (const { securityContext } of [pod, ...pod.containers, ...(pod.initContainers ?? [])])
        expect(securityContext?.runAsUser ?? securityContext?.runAsGroup ?? null, metadata.name).toBeNull();
    }
  });

  it('should write the protocol on every port, which helm 4 needs', () => {
    const ports = render(helm, { set: ['demo.enabled=true'] }).flatMap(({ kind, spec }) =>
      kind === 'Service'
        ? spec.ports
        : kind === 'Deployment'
          ? spec.template.spec.containers.flatMap((c: { ports?: object[] }) => c.ports ?? [])
          : [],
    );
    expect(ports.length).toBeGreaterThan(4);
    for (const port of ports) expect(port).toMatchObject({ protocol: 'TCP' });
  });
});

type Selector = {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values: string[] }[];
};

/** Whether a selector takes an object by its label `spillway.dev/inject`; what it says of other labels is not asked here. */
function selects(
  { matchLabels = {}, matchExpressions = [] }: Selector = {},
  label: string | undefined,
): boolean {
  const wanted = matchLabels['spillway.dev/inject'];
  return (
    (wanted === undefined || wanted === label) &&
    matchExpressions
      .filter(({ key }) => key === 'spillway.dev/inject')
      .every(({ operator, values }) => values.includes(label ?? '') === (operator === 'In'))
  );
}
