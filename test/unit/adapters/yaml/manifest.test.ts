import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Document, parseDocument } from 'yaml';
import { type Manifest, parseManifest } from '../../../../src/adapters/yaml/manifest.ts';
import { ANNOTATION_OPTIONS } from '../../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../../src/core/inject/config.ts';
import { inject } from '../../../../src/core/inject/inject.ts';
import { replacedAt } from '../../../../src/core/inject/patch.ts';
import type { Pod } from '../../../../src/core/inject/pod.ts';
import { uninject } from '../../../../src/core/inject/uninject.ts';
import { podsOf } from '../../../../src/core/inject/workload.ts';
import { golden } from '../../../support/golden.ts';
import { podCorpus } from '../../../support/pod-corpus.ts';

const CONFIG = defaultInjectConfig('1');

function manifest(text: string): Manifest {
  const parsed = parseManifest(text);
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed;
}
function changed(text: string, change: (pod: Pod) => Pod) {
  const { documents, write } = manifest(text);
  const values = documents.map(({ value }) =>
    podsOf(value).reduce((all, { pod, path }) => replacedAt(all, path, change(pod)), value),
  );
  return { ...write(new Map(values.entries())), values };
}
const injectedPod = (pod: Pod) => {
  const result = inject(pod, CONFIG, ANNOTATION_OPTIONS);
  return 'pod' in result ? result.pod : pod;
};
/** A text with the sidecar; what it says is checked by reading it again. */
function added(text: string): string {
  const { text: out, rewritten, values } = changed(text, injectedPod);
  expect(rewritten).toEqual([]);
  expect(manifest(out).documents.map(({ value }) => value)).toEqual(values);
  return out;
}
const removed = (text: string) => changed(text, uninject).text;
/** Every line of the one stands in the other, in this order. */
function holdsAll(text: string, lines: string): void {
  const rest = text.split('\n');
  for (const line of lines.split('\n')) {
    const at = rest.indexOf(line);
    expect(at, line).toBeGreaterThanOrEqual(0);
    rest.splice(0, at + 1);
  }
}

const POD = `apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
    - name: agent
`;

describe('a manifest', () => {
  const [meshed, others] = [true, false].map((are) =>
    podCorpus().filter(({ name, hook }) => (hook || name.startsWith('mesh-')) === are),
  );
  it.each(others ?? [])('keeps each line of $name, and gets it back', ({ text, expect: expected }) => {
    const out = added(text);
    if (expected !== 'injected') return expect(out).toBe(text);
    holdsAll(out, text.replaceAll(/(annotations|initContainers|volumes): (\[\]|\{\})$/gm, '$1:'));
    expect(added(out)).toBe(out);
    if (!/\[\]$|annotations: \{\}$|status:/m.test(text)) expect(removed(out)).toBe(text);
  });

  it.each(meshed ?? [])('keeps the lines of $name but for its lists of ports and its NODE_OPTIONS', ({
    name,
    text,
  }) => {
    const list = /^.*(InboundPorts|inbound-ports|args|value:).*\n/gm;
    const out = added(text);
    holdsAll(out.replaceAll(list, ''), text.replaceAll(list, ''));
    expect(added(out)).toBe(out);
    const [before, after] = [text, removed(out)].map((each) => manifest(each).documents[0]?.value);
    if (name !== 'hook-present') expect(after).toEqual(before);
  });

  it.each([
    ['Windows line ends', POD.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${POD}`],
    ['no line end at its end', POD.trimEnd()],
    ['no line end, after a list', `${POD}  volumes:\n    - name: v`],
    ['Windows line ends and none at its end', `${POD}  volumes:\n    - name: v`.replaceAll('\n', '\r\n')],
    ['lists that are not indented', POD.replace('    - name', '  - name')],
    ['four columns', POD.replaceAll('  ', '    ')],
    [
      'comments everywhere',
      `# head\n${POD.replace('spec:', 'spec: # of it\n  # the agent').replace('agent', 'agent # here\n      # inside')}  # tail\n# foot\n`,
    ],
    [
      'comments between keys',
      POD.replace('  name: a\n', '  annotations:\n    a: b # one\n    # two\n  # three\n  labels: {}\n'),
    ],
    [
      'volumes in the middle',
      POD.replace(
        '  containers',
        '  volumes: # v\n    # first\n    - name: v\n      emptyDir: {} # e\n    # last\n  containers',
      ),
    ],
    ['a block text at its end', `${POD}      args:\n        - |+\n          text\n\n\n`],
    [
      'a folded text and a document end',
      `${POD}      args: [>-, a]\n...\n`.replace('[>-, a]', '>-\n        folded\n        text'),
    ],
    ['quotes', POD.replace('name: a', '"name": \'a\'').replace('spec', '"spec"')],
    [
      'an anchor',
      POD.replace('spec:', 'spec: &spec').replace('    - name: agent', '    - &agent\n      name: agent'),
    ],
    ['a tag', POD.replace('metadata:', 'metadata: !!map')],
    ['many documents', `---\n# one\n${POD}--- # two\n${POD}---\n---\nkind: Service\n---\n${POD}`],
    ['directives', `%YAML 1.2\n---\n${POD}`],
    [
      'flow style',
      'kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {containers: [{name: agent}], volumes: [ {name: v} ]}\n',
    ],
    [
      'flow style over lines',
      'kind: Pod\napiVersion: v1\nmetadata: {\n  name: a\n}\nspec: {\n  containers: [\n    {name: agent},\n  ]\n}\n',
    ],
    ['JSON', JSON.stringify(parseDocument(POD).toJS(), null, 2)],
    [
      'JSON with four columns',
      `${JSON.stringify(parseDocument(`${POD}  volumes: [{name: v}]\n`).toJS(), null, 4)}\n`,
    ],
    ['JSON with tabs', `${JSON.stringify(parseDocument(POD).toJS(), null, '\t')}\r\n`],
    ['JSON in one line', JSON.stringify(parseDocument(`${POD}  volumes: [{name: v}]\n`).toJS())],
    [
      'a List',
      `kind: List\napiVersion: v1\nitems:\n- ${POD.trimEnd().replaceAll('\n', '\n  ')}\n- kind: Service\n- ${POD.replaceAll('\n', '\n  ').trimEnd()}\n`,
    ],
  ])('with %s is given back as it was', (_, text) => {
    const out = added(text);
    expect(out).toContain('spillway-token');
    expect(added(out)).toBe(out);
    expect(removed(out)).toBe(text);
  });

  it('gets what is added in its own style', () => {
    expect(added(POD.replace('agent', 'agent # the one'))).toMatchInlineSnapshot(`
      "apiVersion: v1
      kind: Pod
      metadata:
        annotations:
          spillway.dev/status: injected
        name: a
      spec:
        shareProcessNamespace: true
        initContainers:
          - name: spillway
            image: ghcr.io/spillway-dev/spillway:1
            imagePullPolicy: IfNotPresent
            restartPolicy: Always
            args:
              - guard
            env:
              - name: POD_NAME
                valueFrom:
                  fieldRef:
                    fieldPath: metadata.name
              - name: POD_NAMESPACE
                valueFrom:
                  fieldRef:
                    fieldPath: metadata.namespace
              - name: POD_UID
                valueFrom:
                  fieldRef:
                    fieldPath: metadata.uid
              - name: NODE_NAME
                valueFrom:
                  fieldRef:
                    fieldPath: spec.nodeName
              - name: SPILLWAY_AGENT
                value: container:agent
              - name: SPILLWAY_POD_RESTART_POLICY
                value: Always
            ports:
              - name: spillway
                containerPort: 9797
                protocol: TCP
            readinessProbe:
              httpGet:
                path: /readyz
                port: 9797
              periodSeconds: 1
              timeoutSeconds: 3
              failureThreshold: 1
              successThreshold: 1
            livenessProbe:
              httpGet:
                path: /livez
                port: 9797
              periodSeconds: 10
              timeoutSeconds: 5
              failureThreshold: 6
            resources:
              requests:
                cpu: 50m
                memory: 128Mi
              limits:
                memory: 128Mi
            securityContext:
              runAsNonRoot: true
              allowPrivilegeEscalation: false
              readOnlyRootFilesystem: true
              capabilities:
                drop:
                  - ALL
              seccompProfile:
                type: RuntimeDefault
            volumeMounts:
              - name: spillway-token
                mountPath: /var/run/secrets/kubernetes.io/serviceaccount
                readOnly: true
        volumes:
          - name: spillway-token
            projected:
              defaultMode: 292
              sources:
                - serviceAccountToken:
                    path: token
                    expirationSeconds: 3600
                - configMap:
                    name: kube-root-ca.crt
                    items:
                      - key: ca.crt
                        path: ca.crt
                - downwardAPI:
                    items:
                      - path: namespace
                        fieldRef:
                          apiVersion: v1
                          fieldPath: metadata.namespace
        containers:
          - name: agent # the one
      "
    `);
    expect(
      added(
        'kind: Pod\napiVersion: v1\nmetadata: {name: a, annotations: {b: c}}\nspec:\n  containers: [{name: a}]\n',
      ).split('\n')[2],
    ).toBe('metadata: {name: a, annotations: {"spillway.dev/status": "injected", b: c}}');
    const json = JSON.stringify(parseDocument(POD).toJS(), null, 2);
    const value = JSON.parse(added(json));
    expect(added(json).split('\n').length).toBe(JSON.stringify(value, null, 2).split('\n').length);
    expect(added(JSON.stringify(JSON.parse(json)))).not.toMatch(/\s/);
  });

  it('takes empty values for none', () => {
    for (const empty of ['', ' null', ' ~', ' []', '  # none'])
      expect(added(`${POD}  volumes:${empty}\n  initContainers:${empty}\n`)).toContain('spillway-token');
    for (const empty of ['', ' null', ' {}'])
      expect(added(POD.replace('  name: a\n', `  annotations:${empty}\n`))).toContain('spillway.dev/status');
  });

  it('is written anew where an alias or a merge stands in the way', () => {
    const merged = `kind: List\napiVersion: v1\nitems:\n${['a', 'b'].map((name) => `- kind: Pod\n  apiVersion: v1\n  metadata: {name: ${name}}\n  spec:${name === 'a' ? ' &s\n    containers: [{name: agent}]' : ' *s'}\n`).join('')}`;
    const { text, rewritten, values } = changed(`# head\n${merged}`, injectedPod);
    expect(rewritten).toEqual([0]);
    expect(manifest(text).documents[0]?.value).toEqual(values[0]);
    expect(text).toMatch(/^# head\n/);
    const spread = `${POD}---\nkind: Pod\napiVersion: v1\nbase: &b\n  metadata: {name: a}\n<<: *b\nspec:\n  containers: [{name: a}]\n`;
    const second = changed(spread, injectedPod);
    expect(second.rewritten).toEqual([1]);
    expect(manifest(second.text).documents.map(({ value }) => value)).toEqual(second.values);
  });

  it('keeps anchors and aliases that are in nobody’s way', () => {
    const text = POD.replace(
      'metadata:\n  name: a',
      'metadata:\n  name: a\n  labels: &l {app: a}\n  other: *l',
    );
    expect(removed(added(text))).toBe(text);
  });

  it('keeps any text around it', () => {
    const scalar = fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null));
    // `<<` is written without quotes here, and then merges
    const key = (minLength: number) => fc.string({ minLength }).filter((text) => text !== '<<');
    const extras = fc.dictionary(key(1), fc.oneof(scalar, fc.array(scalar), fc.dictionary(key(0), scalar)));
    const volumes = fc.array(fc.record({ name: fc.constantFrom('a', 'b'), note: fc.string() }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(
        extras,
        extras,
        extras,
        volumes,
        fc.boolean(),
        fc.boolean(),
        (top, annotations, spec, list, indentSeq, before) => {
          const own = { containers: [{ name: 'agent', note: 'x' }], ...(before ? { volumes: list } : {}) };
          const value = {
            ...top,
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: {
              name: 'a',
              ...(Object.keys(annotations).length > 0 ? { annotations: { z: 'z', ...annotations } } : {}),
            },
            spec: before ? { ...spec, ...own } : { ...own, volumes: list, ...spec },
          };
          for (const key of [
            'hostPID',
            'os',
            'nodeSelector',
            'shareProcessNamespace',
            'initContainers',
            'spillway.dev/status',
          ])
            fc.pre(!(key in spec) && !(key in annotations));
          const text = new Document(value, { version: '1.1' }).toString({ indentSeq });
          const out = added(text);
          expect(out).toContain('spillway-token');
          expect(removed(out)).toBe(text);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('what cannot be read', () => {
  const problems = (text: string) => {
    const parsed = parseManifest(text);
    return 'problems' in parsed
      ? parsed.problems.map(({ line, column, message }) => `${line}:${column} ${message}`)
      : [];
  };

  const places = (text: string) => problems(text).map((problem) => problem.split(' ')[0]);

  const SYNTAX = { two: 'a: b: c\n---\nb: "x\n', alias: 'a: *x\n', twice: 'a: 1\na: 2\n' };
  const TOO_DEEP = problems('['.repeat(10_000));
  const TEMPLATES = [
    'a: {{ .Values.a }}\n',
    'a: 1\n---\n{{- if .Values.b }}\nb: 1\n{{- end }}\n',
    'a: {{ .Values.a }}-b\n',
    '{% if a %}\nb: 1\n{% endif %}\n',
  ];
  /** Each line has nine times the one before. */
  const BOMB = Array.from({ length: 12 }, (_, i) => {
    const items = i === 0 ? ['1'] : Array(9).fill(`*a${i - 1}`);
    return `a${i}: &a${i} [${items.join(', ')}]\n`;
  }).join('');

  it('is told with its place, all of it', () => {
    expect(places(SYNTAX.two)).toEqual(['1:4', '4:1']);
    expect(places(SYNTAX.alias)).toEqual(['1:1']);
    expect(places(SYNTAX.twice)).toEqual(['2:1']);
    for (const deep of ['[', '{a: ', '- ']) expect(problems(deep.repeat(50_000))).toEqual(TOO_DEEP);
    expect(problems(`${'['.repeat(400)}${']'.repeat(400)}\n`)).toEqual([]);
  });

  it('is a template', () => {
    const said = TEMPLATES.map((text) => problems(text).map((problem) => problem.replace(/^\d+:\d+ /, '')));
    expect(new Set(said.map((each) => each.join())).size, 'one sentence for all').toBe(1);
    for (const each of said) expect(each).toHaveLength(1);
    // within texts braces are the text's own
    expect(problems('a: "{{ $labels.pod }}"\nb: |\n  {{ if }}\nc: x {{ y }}\n')).toEqual([]);
  });

  it('is not a bomb of aliases', () => {
    expect(problems(BOMB)).toHaveLength(1);
  });

  golden('manifest', () => [
    ...Object.values(SYNTAX).flatMap(problems),
    ...TOO_DEEP,
    ...TEMPLATES.flatMap(problems),
    ...problems(BOMB),
  ]);
});
