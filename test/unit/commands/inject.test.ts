import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type InjectCommandOptions, injectCommand } from '../../../src/commands/inject.ts';
import { podCorpus } from '../../support/pod-corpus.ts';

function folder(files: Record<string, string>) {
  const directory = mkdtempSync(join(tmpdir(), 'inject-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return (name: string) => join(directory, name);
}

async function run(options: Partial<InjectCommandOptions>, stdin = '') {
  let out = '';
  const warnings: string[] = [];
  const io = {
    stdin: (async function* () {
      yield Buffer.from(stdin);
    })(),
    write(text: string) {
      out += text;
    },
    warn: (line: string) => warnings.push(line),
  };
  const error = await injectCommand({ files: ['-'], options: {}, ...options }, '1.2.3', io).catch(
    (thrown: Error) => thrown.message,
  );
  return { out, warnings, error };
}

const fixture = (name: string) => readFileSync(`test/fixtures/pods/${name}.yaml`, 'utf8');
const documents = (text: string) => parseAllDocuments(text).map((document) => document.toJS());
const sidecars = (text: string) =>
  documents(text).map((object) => object?.spec?.initContainers?.[0] ?? object?.spec?.containers?.[1]);

describe('inject', () => {
  it('writes what it reads with the sidecar in it, from files and standard input, and takes it out again', async () => {
    const path = folder({ 'a.yaml': fixture('plain'), 'b.yaml': `---\n${fixture('job')}` });
    const { out, error } = await run({ files: [path('a.yaml'), '-', path('b.yaml')] }, fixture('linux'));
    expect(error).toBeUndefined();
    expect(documents(out).map(({ metadata }) => metadata.name)).toEqual(['plain', 'linux', 'job']);
    expect(out.match(/name: spillway$/gm)).toHaveLength(6);
    expect((await run({}, out)).out).toBe(out);
    expect((await run({ uninject: true }, out)).out).toBe(
      `${fixture('plain')}---\n${fixture('linux')}---\n${fixture('job')}`,
    );
  });

  it('tells what cannot be guarded with its place, and writes it as it was', async () => {
    const all = podCorpus().filter(({ expect: expected }) => expected !== 'injected');
    const text = all.map((each) => each.text).join('---\n');
    const { out, warnings } = await run({}, text);
    expect(out).toBe(text);
    const told = all.filter(({ expect: expected }) => expected.startsWith('not injected'));
    expect(warnings).toHaveLength(told.length);
    for (const [i, { name, expect: expected }] of told.entries()) {
      expect(warnings[i]).toContain(
        `: Pod ${name} (document ${all.findIndex((each) => each.name === name) + 1}): ${expected}`,
      );
      const line = Number(/^standard input:(\d+):/.exec(warnings[i] ?? '')?.[1]);
      expect(
        text
          .split('\n')
          .slice(line - 1)
          .join('\n'),
      ).toMatch(/^apiVersion: v1/);
    }
    const { warnings: one } = await run({}, fixture('user-unknown'));
    expect(one).toEqual([
      expect.stringMatching(/^standard input:3: Pod user-unknown: set runAsUser and runAsGroup/),
    ]);
  });

  it('takes the sidecar from a file, and flags before it', async () => {
    const path = folder({
      's.yaml':
        'image: registry.example/s:1\nimagePullPolicy: Never\noptions: {shedRatio: 0.8, hold: 3s}\nresources: {limits: {memory: 96Mi}}\n',
    });
    const { out } = await run({ sidecar: path('s.yaml'), options: { hold: '4s' } }, fixture('plain'));
    expect(sidecars(out)).toMatchObject([
      {
        image: 'registry.example/s:1',
        imagePullPolicy: 'Never',
        restartPolicy: 'Always',
        resources: { limits: { memory: '96Mi' } },
        env: expect.arrayContaining([
          { name: 'SPILLWAY_HOLD', value: '4s' },
          { name: 'SPILLWAY_SHED_RATIO', value: '0.8' },
        ]),
      },
    ]);
    const other = await run({ sidecar: path('s.yaml'), image: 'other:2', classic: true }, fixture('plain'));
    expect(sidecars(other.out)).toMatchObject([{ image: 'other:2' }]);
    expect(documents(other.out)[0].spec.initContainers).toBeUndefined();
    const { out: plain } = await run({ options: { events: 'off' } }, fixture('plain'));
    expect(documents(plain)[0].spec.volumes).toEqual([{ name: 'spillway-token', emptyDir: {} }]);
    expect(sidecars(plain)).toMatchObject([{ image: 'ghcr.io/spillway-dev/spillway:1.2.3' }]);
  });

  it('says which workloads it passes on because it does not know their kind', async () => {
    const text = `${fixture('plain')}---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: chat}\nspec: {template: {spec: {containers: [{name: a}]}}}\n`;
    const { out, warnings, error } = await run({}, text);
    expect([out.includes('serving.knative.dev'), error]).toEqual([true, undefined]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^standard input:\d+: Service chat \(document 2\): unchanged: .* does not support/,
      ),
    ]);
  });

  it('passes on what is no workload, and nothing at all', async () => {
    for (const text of [
      '',
      '# nothing\n',
      '---\n---\n',
      'a: 1\n',
      'kind: Service\napiVersion: v1\nspec: {template: {spec: {containers: []}}}\n',
      'text\n',
      '[]',
      '{}',
    ])
      expect(await run({}, text)).toEqual({ out: text, warnings: [], error: undefined });
  });

  it('writes nothing when something is wrong, and tells all of it', async () => {
    const path = folder({ 'bad.yaml': 'a: [1\n', 'good.yaml': fixture('plain'), 'binary.yaml': 'a' });
    writeFileSync(path('binary.yaml'), Buffer.from([0xff, 0xfe, 0x00]));
    const files = [
      path('good.yaml'),
      path('bad.yaml'),
      path('none.yaml'),
      path('.'),
      path('binary.yaml'),
      '-',
    ];
    const { out, error } = await run({ files }, 'image: {{ .Values.image }}\n');
    expect(out).toBe('');
    const lines = String(error)
      .split('\n')
      .map((line) => line.trim().replace(`${path('')}/`, ''));
    expect(lines).toEqual([
      'no manifest is written, for 5 problems:',
      expect.stringMatching(/^bad.yaml:2:1: Flow sequence in block collection must be/),
      'none.yaml: the file does not exist; give the path of an existing file',
      expect.stringMatching(/: this is a directory; give the path of a file in it$/),
      'binary.yaml: the file is not UTF-8 text; save it as UTF-8',
      'standard input:1:8: this is a template, not a manifest: render it first, for example with `helm template`',
    ]);
  });

  it('refuses a sidecar that would not start', async () => {
    const { out, error } = await run({ options: { shedRatio: '0.99', hold: 'long' } }, fixture('plain'));
    expect(out).toBe('');
    expect(error).toMatch(/2 problems:[\s\S]*"long" is not a duration[\s\S]*shedRatio 0.99 must be below/);
  });
});
