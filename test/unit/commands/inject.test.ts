import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type InjectCommandOptions, injectCommand } from '../../../src/commands/inject.ts';
import { ANNOTATION_OPTIONS } from '../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../src/core/inject/config.ts';
import { inject } from '../../../src/core/inject/inject.ts';
import type { Pod } from '../../../src/core/inject/pod.ts';
import type { SpillwayError } from '../../../src/core/lib/errors.ts';
import { golden } from '../../support/golden.ts';
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
  const thrown = await injectCommand({ files: ['-'], options: {}, ...options }, '1.2.3', io).catch(
    (error: SpillwayError) => error,
  );
  return { out, warnings, error: thrown?.message, code: thrown?.code };
}

const TEMPLATE = 'image: {{ .Values.image }}\n';
/** A workload of a kind that is not known. */
const SERVICE =
  'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: chat}\nspec: {template: {spec: {containers: [{name: a}]}}}\n';
const saidOf = (pod: Pod) => inject(pod, defaultInjectConfig('1.2.3'), ANNOTATION_OPTIONS).warnings;
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
    const lines = text.split('\n');
    let after = 0;
    const told = all.flatMap(({ name, pod }, i) => {
      const line = lines.indexOf('apiVersion: v1', after) + 1;
      after = line;
      return saidOf(pod).map((said) => `standard input:${line}: Pod ${name} (document ${i + 1}): ${said}`);
    });
    expect(warnings).toEqual(told);
    expect(told).toHaveLength(all.filter(({ expect: expected }) => expected === 'not-injected').length);
    const unknown = podCorpus().find(({ name }) => name === 'user-unknown');
    const { warnings: one } = await run({}, unknown?.text);
    expect(one).toEqual([`standard input:3: Pod user-unknown: ${saidOf(unknown?.pod ?? {})[0]}`]);
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
    const text = `${fixture('plain')}---\n${SERVICE}`;
    const { out, warnings, error } = await run({}, text);
    expect([out.includes('serving.knative.dev'), error]).toEqual([true, undefined]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(': Service chat (document 2): ');
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
      expect(await run({}, text)).toEqual({ out: text, warnings: [], error: undefined, code: undefined });
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
    const { out, error, code } = await run({ files }, TEMPLATE);
    expect(out).toBe('');
    expect(code).toBe('manifest');
    const lines = String(error).split('\n');
    expect(lines).toHaveLength(1 + 5);
    const places = [path('bad.yaml:2:1:'), path('none.yaml:'), `${path('.')}:`, path('binary.yaml:')];
    for (const [i, place] of [...places, 'standard input:1:8:'].entries())
      expect(lines[i + 1]?.trim().startsWith(place), place).toBe(true);
  });

  it('refuses a sidecar that would not start', async () => {
    const { out, error, code } = await run(
      { options: { shedRatio: '0.99', hold: 'long' } },
      fixture('plain'),
    );
    expect([out, code]).toEqual(['', 'config']);
    for (const given of ['"long"', 'shedRatio 0.99']) expect(error).toContain(given);
  });

  golden('inject', async () => {
    const bad = folder({ 'bad.yaml': 'a: [1\n' });
    const binary = folder({ 'binary.yaml': '' });
    writeFileSync(binary('binary.yaml'), Buffer.from([0xff, 0xfe, 0x00]));
    const files = [bad('bad.yaml'), bad('none.yaml'), bad('.'), binary('binary.yaml'), '-'];
    const said = [
      await run({}, `${fixture('plain')}---\n${SERVICE}`),
      await run({ files }, TEMPLATE),
      await run({ files: [bad('none.yaml')] }),
      await run({ options: { shedRatio: '0.99', hold: 'long' } }),
      await run({ options: { hold: 'long' } }),
    ];
    const inFolders = new RegExp(`(?:${bad('')}|${binary('')})/?`, 'g');
    return said.flatMap(({ warnings, error }) =>
      [...warnings, ...(error === undefined ? [] : [error])].map((line) => line.replace(inFolders, '')),
    );
  });
});
