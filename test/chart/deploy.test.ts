import { describe, expect, it } from 'vitest';
import { type Given, helms, POLICY, renderText, VALIDATING, versionOf } from './support/helm.ts';

/** What `kubectl apply` takes where there is no helm: the chart's output, each with what its head says. */
const FILES: Record<string, { head: string; given: Given }> = {
  'spillway.yaml': {
    head: `Injection by policy (Kubernetes 1.36 and newer): nothing runs but the sidecars.
#   kubectl apply -f spillway.yaml
#   kubectl label namespace NAMESPACE spillway.dev/inject=true
# Events, for the service accounts of a namespace:
#   kubectl -n NAMESPACE create rolebinding spillway-events --clusterrole=spillway-events --group=system:serviceaccounts:NAMESPACE`,
    given: { apis: [POLICY], set: ['injector.mode=policy'] },
  },
  'webhook.yaml': {
    head: `Injection by webhook (Kubernetes 1.30 and newer). Not beside spillway.yaml.
#   kubectl apply -f webhook.yaml
#   kubectl label namespace NAMESPACE spillway.dev/inject=true
# Events, for the service accounts of a namespace:
#   kubectl -n NAMESPACE create rolebinding spillway-events --clusterrole=spillway-events --group=system:serviceaccounts:NAMESPACE`,
    given: { apis: [VALIDATING], set: ['injector.mode=webhook'] },
  },
  'demo.yaml': {
    head: `Two agents that leak, guarded (Kubernetes 1.29 and newer). Needs no injector.
#   kubectl apply -f demo.yaml
#   kubectl -n spillway get events --watch`,
    given: { set: ['injector.mode=none', 'demo.enabled=true'] },
  },
};
const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  name: spillway
  labels:
    pod-security.kubernetes.io/enforce: restricted
`;

/** In the order of the templates, as each helm has an order of its own, and without what tells of a release. */
function manifests(helm: string, given: Given): string[] {
  const text = renderText(helm, given, '--skip-tests').replace(
    /^ *(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm,
    '',
  );
  const documents = text.split(/^---\n/m).filter((document) => document.includes('kind: '));
  const source = (document: string) => /^# Source: (.*)$/m.exec(document)?.[1] ?? '';
  const name = (document: string) => /^ {2}name: (.*)$/m.exec(document)?.[1] ?? '';
  const kind = (document: string) => /^kind: (.*)$/m.exec(document)?.[1] ?? '';
  const key = (document: string) => [source(document), kind(document), name(document)].join(' ');
  return documents
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .map((document) => `${document.replace(/^# Source: .*\n/m, '').trim()}\n`);
}

if (helms().length === 0)
  describe.skip('deploy/ (skipped: no helm on PATH, none in TEST_HELM)', () =>
    it('is made from the chart', () => {}));

describe.each(
  helms().map((helm) => [versionOf(helm), helm] as const),
)('deploy/, by helm %s', (_version, helm) => {
  it.each(Object.keys(FILES))('should hold what the chart gives: %s (npm run docs)', async (file) => {
    const { head, given } = FILES[file]!;
    const parts = [
      `# ${head}\n# Made from helm/spillway; there is what can be set.\n${NAMESPACE}`,
      ...manifests(helm, given),
    ];
    await expect(parts.join('---\n')).toMatchFileSnapshot(`../../deploy/${file}`);
  });
});
