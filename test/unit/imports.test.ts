import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');

/** Which part of the house may import which; every part may import itself. `npm:` stands for third-party packages. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  main: ['commands', 'config', 'core', 'npm:commander'],
  commands: ['compose', 'config', 'exporters', 'wrap', 'injector', 'runtimes', 'sources', 'adapters', 'core'],
  compose: ['guardian', 'remedies', 'exporters', 'runtimes', 'sources', 'adapters', 'config', 'core'],
  guardian: ['core'],
  remedies: ['core'],
  exporters: ['core'],
  // one way to put the hook's file into a directory that others may share
  wrap: ['core', 'sources/hook/directory'],
  injector: ['core'],
  // its registry is composed apart from the rest, because only an agent under pressure needs it: it is loaded later
  runtimes: ['sources', 'core', 'adapters/inspector-client'],
  sources: ['core'],
  adapters: ['core'],
  config: ['core', 'npm:valibot', 'npm:yaml'],
  core: [],
  // the library reads its own process with the guardian's reader: one way to read memory, and it imports only core
  agent: ['core', 'sources/memory'],
  demo: ['core'],
  // what runs in the browser
  page: ['core', 'npm:uplot'],
};
/** What does nothing but compute: no files, no sockets, no clock. */
const isPure = (file: string) => /^core\/|^runtimes\/\w+\/parse-/.test(file);
const IMPURE =
  /\bDate\.now\(|\bperformance\.now\(|\bMath\.random\(|\bset(?:Timeout|Interval|Immediate)\(|\bprocess\.(?!ts)/;

interface Import {
  file: string;
  part: string;
  target: string;
}

function partOf(path: string): string {
  const [first = ''] = path.split('/');
  return first.replace(/\.ts$/, '');
}

function sourceFiles(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
}

/** Comments quote code too; what counts are the statements. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

function imports(): Import[] {
  return sourceFiles().flatMap((file) => {
    const text = withoutComments(readFileSync(join(SRC, file), 'utf8'));
    return [...text.matchAll(/(?:\bfrom\s+|\bimport\(\s*|\bimport\s+)'([^']+)'/g)].map((match) => {
      const specifier = match[1] ?? '';
      const local = specifier.startsWith('.');
      const target = local ? relative(SRC, join(SRC, dirname(file), specifier)) : specifier;
      return {
        file,
        part: partOf(file),
        target: local || target.startsWith('node:') ? target : `npm:${target}`,
      };
    });
  });
}

function allows(rule: string, target: string): boolean {
  return target === rule || target === `${rule}.ts` || target.startsWith(`${rule}/`);
}

describe('the house', () => {
  it('is imported downwards only', () => {
    const offending = imports()
      .filter(({ target }) => !target.startsWith('node:') && !target.startsWith('npm:'))
      .filter(({ part, target }) => part !== partOf(target))
      .filter(({ part, target }) => !(ALLOWED[part] ?? []).some((rule) => allows(rule, target)))
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(offending).toEqual([]);
  });

  it('touches third-party packages in adapters only, each package in one file or in a folder of its own', () => {
    const thirdParty = imports().filter(({ target }) => target.startsWith('npm:'));
    const outside = thirdParty
      .filter(({ part, target }) => part !== 'adapters' && !(ALLOWED[part] ?? []).includes(target))
      .map(({ file, target }) => `${file} imports ${target.slice(4)}`);
    expect(outside).toEqual([]);
    const users = new Map<string, Set<string>>();
    for (const { file, part, target } of thirdParty)
      if (part === 'adapters') {
        const place = dirname(file) === 'adapters' ? file : dirname(file);
        users.set(target, (users.get(target) ?? new Set()).add(place));
      }
    expect([...users].filter(([, files]) => files.size > 1).map(([name, files]) => [name, ...files])).toEqual(
      [],
    );
  });

  it('has no circle of imports, also among types', () => {
    const targets = new Map<string, string[]>();
    for (const { file, target } of imports()) targets.set(file, [...(targets.get(file) ?? []), target]);
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file);
      if (at >= 0) circles.push([...path.slice(at), file].join(' imports '));
      if (at >= 0 || done.has(file)) return;
      for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of sourceFiles()) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('has a core and parsers without files, clocks and chance', () => {
    const offending = imports()
      .filter(({ file, target }) => isPure(file) && target.startsWith('node:'))
      .map(({ file, target }) => `${file} imports ${target}`);
    for (const file of sourceFiles().filter(isPure)) {
      const use = IMPURE.exec(withoutComments(readFileSync(join(SRC, file), 'utf8')));
      if (use) offending.push(`${file} uses ${use[0]}`);
    }
    expect(offending).toEqual([]);
  });

  it('leaves command line, exit and signals to main', () => {
    const offending = sourceFiles()
      .filter((file) => file !== 'main.ts' && partOf(file) !== 'demo')
      .filter((file) =>
        /process\.(?:argv|exit\b|on\()/.test(withoutComments(readFileSync(join(SRC, file), 'utf8'))),
      );
    expect(offending).toEqual([]);
  });
});
