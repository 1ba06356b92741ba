import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rowsOf } from './support/chart-docs.ts';
import {
  CERT_MANAGER,
  CHART,
  helms,
  POLICY,
  PROMETHEUS,
  refusal,
  render,
  versionOf,
} from './support/helm.ts';

describe.each(
  helms().map((helm) => [versionOf(helm), helm] as const),
)('what helm %s refuses', (_version, helm) => {
  it.each([
    ['injector.mode=policy', 'this cluster has no MutatingAdmissionPolicy'],
    ['podMonitor.enabled=true', 'podMonitor.enabled is true, but this cluster has no PodMonitor'],
    ['prometheusRule.enabled=true', 'prometheusRule.enabled is true, but this cluster has no PrometheusRule'],
    ['injector.certManager.enabled=true', 'this cluster has no Certificate'],
    ['injector.certManager.issuerRef.name=a', 'issuerRef is set, but injector.certManager.enabled is false'],
    ['guardian.events=on', 'no service account may post Events'],
    ['guardian.events=off,rbac.namespaces={a}', 'guardian.events is off, but rbac.namespaces'],
    ['rbac.create=false,rbac.namespaces={a}', 'rbac.create is false, but rbac.namespaces'],
    ['rbac.allNamespaces=true,rbac.namespaces={a}', 'remove one of them'],
    ['networkPolicy.agents.from[0].podSelector.matchLabels.a=b', 'networkPolicy.agents.namespaces is empty'],
    ['guardian.shedRatio=0.7', 'guardian.warnRatio (0.75) must be below guardian.shedRatio (0.7)'],
    ['guardian.shedRatio=0.75', 'guardian.warnRatio (0.75) must be below guardian.shedRatio (0.75)'],
    ['guardian.criticalRatio=0.8', 'guardian.shedRatio (0.85) must be below guardian.criticalRatio (0.8)'],
    [
      'guardian.recoverMargin=0.4,guardian.warnRatio=0.4',
      'guardian.recoverMargin (0.4) must be below guardian.warnRatio',
    ],
    ['guardian.sampleMax=4ms', 'guardian.sampleMin (5ms) must be at most guardian.sampleMax (4ms)'],
    ['guardian.shedRatio=1.5', 'guardian.shedRatio: 1.5 is out of range'],
    ['guardian.hold=1h1s', 'guardian.hold: 1h1s is out of range'],
    ['guardian.limit=1023Ki', 'guardian.limit: 1023Ki is out of range'],
    ['guardian.gcStallBudget=101%', 'guardian.gcStallBudget: 101% is out of range'],
    ['guardian.recordDir=records', 'guardian.recordDir: no volume can be mounted at records'],
    ['guardian.recordDir=/proc/self', 'no volume can be mounted at /proc/self'],
    [
      'guardian.webhookUrl=https://a.example/,sidecar.webhookUrlSecret.name=alerts',
      'guardian.webhookUrl and sidecar.webhookUrlSecret.name are both set',
    ],
    [
      'sidecar.resources.requests.memory=1Gi',
      'sidecar.resources: the request of memory (1Gi) is above its limit (128Mi)',
    ],
    [
      'injector.resources.limits.cpu=15m',
      'injector.resources: the request of cpu (20m) is above its limit (15m)',
    ],
  ])('should say why: %s', (set, sentence) => {
    expect(refusal(helm, { set: [set] })).toContain(sentence);
  });

  it('should say why a certificate is asked for where nothing serves', () => {
    const given = { apis: [POLICY, CERT_MANAGER], set: ['injector.certManager.enabled=true'] };
    expect(refusal(helm, given)).toContain('injection is by policy, which has no certificate');
  });

  it('should not take native sidecars to a cluster that knows none, where they would keep pods from starting', () => {
    expect(refusal(helm, { kubeVersion: '1.28.9' })).toContain('sidecar.native needs Kubernetes 1.29');
    expect(render(helm, { kubeVersion: '1.28.9', set: ['sidecar.native=false'] })).not.toEqual([]);
    expect(refusal(helm, { kubeVersion: '1.20.0' })).toContain('kubeVersion');
  });

  // what the schema refuses: each would reach pods as something that the API or the guardian does not take
  it.each([
    ['guardian.shedRato=0.8', 'shedRato'],
    ['guardian.listen=0.0.0.0:1', 'listen'],
    ['guardian.hold=5', 'hold'],
    ['guardian.gc=sometimes', 'gc'],
    ['image.repository=Not An Image', 'repository'],
    ['image.repository=', 'repository'],
    ['image.tag=a b', 'tag'],
    ['image.pullPolicy=always', 'pullPolicy'],
    ['sidecar.resources.limits.memory=lots', 'memory'],
    ['sidecar.resources.limits.memory=0', 'memory'],
    ['sidecar.resources.limits.gpu=1', 'gpu'],
    ['sidecar.native=maybe', 'native'],
    ['injector.mode=both', 'mode'],
    ['injector.replicas=0', 'replicas'],
    ['injector.timeoutSeconds=31', 'timeoutSeconds'],
    ['rbac.namespaces={Not_A_Name}', 'namespaces'],
    ['podMonitor.enabled=perhaps', 'enabled'],
    ['fullnameOverride=Up', 'fullnameOverride'],
    ['unknown=1', 'unknown'],
  ])('should hold values to the schema: %s', (set, word) => {
    const said = refusal(helm, { set: [set] });
    expect(said).toMatch(/schema|additional|does not match|must be|value/i);
    expect(said).toContain(word);
  });

  it('should take what is right', () => {
    const set = [
      'guardian.hold=1m30s',
      'guardian.limit=1.5Gi',
      'guardian.gcStallBudget=5%',
      'guardian.recordDir=/var/lib/deaths',
      'sidecar.resources.limits.cpu=0.5',
      'image.repository=localhost:5000/team/spillway',
      `image.tag=1.0@sha256:${'a'.repeat(64)}`,
      'global.anything=1',
    ];
    const text = JSON.stringify(render(helm, { set, apis: [POLICY, ...PROMETHEUS] }));
    expect(text).toContain(`localhost:5000/team/spillway:1.0@sha256:${'a'.repeat(64)}`);
    expect(text).toContain('SPILLWAY_GC_STALL_BUDGET');
  });

  it('should take a tag that is a number', () => {
    for (const tag of ['1', '20240131'])
      expect(JSON.stringify(render(helm, { set: [`image.tag=${tag}`] }))).toContain(`/spillway:${tag}"`);
  });

  it('should lint clean', () => {
    const said = execFileSync(helm, ['lint', '--strict', CHART], { encoding: 'utf8' });
    expect(said).not.toMatch(/WARNING|ERROR/);
  });
});

describe('values and templates', () => {
  const templates = readdirSync(`${CHART}/templates`, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(yaml|tpl|txt)$/.test(name))
    .map((name) => readFileSync(`${CHART}/templates/${name}`, 'utf8'))
    .join('\n');
  // `{{ $values.sidecar.native }}` and `{{ .Values.sidecar.native }}` alike
  const used = new Set(
    [...templates.matchAll(/(?:\.Values|\$values)\.([\w.]+)/g)].map(([, path = '']) => path),
  );
  const declared = rowsOf(readFileSync(`${CHART}/values.yaml`, 'utf8')).map(({ path }) => path);

  it('should use every value that is declared', () => {
    const unused = declared.filter(
      (path) => ![...used].some((name) => path === name || path.startsWith(`${name}.`)),
    );
    expect(unused).toEqual([]);
  });

  it('should declare every value that is used', () => {
    const undeclared = [...used].filter(
      (name) =>
        !declared.some((path) => path === name || path.startsWith(`${name}.`) || name.startsWith(`${path}.`)),
    );
    expect(undeclared).toEqual([]);
  });
});
