import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { GrowthKind, GrowthReport } from '../../../src/core/model/growth-report.ts';

/** What must be named: the function that the memory grows in, or the kind of memory where no function allocates it. */
export type Culprit =
  | { name: string; file: string; line: number; package: string | null }
  | { kind: GrowthKind; words: string };

/** An agent that leaks, unaware of being watched. */
export interface Leak {
  name: string;
  program: string;
  culprit: Culprit;
}

const KINDS: Readonly<Record<GrowthKind, true>> = {
  heap: true,
  external: true,
  children: true,
  native: true,
  shared: true,
};

/** All of them, ready to run; those that are more than a file are put together in a directory of their own. */
export function makeLeaks(home: string): { leaks: Leak[]; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-leaks-'));
  const programs = join(home, 'programs');
  const leaks = readdirSync(programs)
    .filter((name) => name.startsWith('leak-'))
    .map((name): Leak => {
      const source = join(programs, name);
      if (name === 'leak-typescript')
        return leakOf('typescript', join(source, 'agent.ts'), bundled(source, join(directory, name), home));
      if (name === 'leak-package')
        return leakOf('package', join(source, 'agent.cjs'), withPackage(source, join(directory, name)));
      return leakOf(name.replace(/^leak-|\..js$/g, ''), source, source);
    });
  return { leaks, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

function bundled(source: string, to: string, home: string): string {
  const program = join(to, 'agent.mjs');
  const esbuild = join(home, '../../node_modules/.bin/esbuild');
  const options = [
    '--bundle',
    '--minify',
    '--sourcemap',
    '--platform=node',
    '--format=esm',
    '--log-level=error',
  ];
  execFileSync(esbuild, [join(source, 'agent.ts'), ...options, `--outfile=${program}`]);
  return program;
}

function withPackage(source: string, to: string): string {
  const modules = join(to, 'node_modules/tiny-cache');
  mkdirSync(modules, { recursive: true });
  cpSync(join(source, 'tiny-cache.cjs'), join(modules, 'tiny-cache.cjs'));
  cpSync(join(source, 'agent.cjs'), join(to, 'agent.cjs'));
  writeFileSync(join(modules, 'package.json'), '{ "name": "tiny-cache", "main": "tiny-cache.cjs" }');
  return join(to, 'agent.cjs');
}

/** The header says `names: FUNCTION`, with `in FILE` and `of PACKAGE` where those are others, or `names: KIND WORDS`. */
function leakOf(name: string, source: string, program: string): Leak {
  const text = readFileSync(source, 'utf8');
  const [, first, rest = ''] = /^\/\/ names: (\S+) ?(.*)$/m.exec(text) ?? [];
  if (first === undefined) throw new Error(`${source} does not say what is to be named`);
  if (first in KINDS) return { name, program, culprit: { kind: first as GrowthKind, words: rest } };
  const file = / ?in (\S+)/.exec(rest)?.[1] ?? basename(source);
  const lines = readFileSync(join(dirname(source), file), 'utf8').split('\n');
  const mark = lines.findIndex((each) => each.trim() === '// grows here');
  if (mark < 0) throw new Error(`${file} does not mark where it grows`);
  return {
    name,
    program,
    culprit: { name: first, file, line: mark + 2, package: / ?of (\S+)/.exec(rest)?.[1] ?? null },
  };
}

/** Whether the report puts the culprit first. */
export function puts(culprit: Culprit, report: Pick<GrowthReport, 'kinds' | 'sites'>): boolean {
  const [kind] = report.kinds;
  if ('kind' in culprit) return kind?.kind === culprit.kind && kind.words.includes(culprit.words);
  const [site] = report.sites;
  return (
    site?.name === culprit.name &&
    basename(site.file ?? '') === culprit.file &&
    site.line === culprit.line &&
    site.package === culprit.package
  );
}

/** Whether the words of an event tell it. */
export function tells(culprit: Culprit, note: string): boolean {
  if ('kind' in culprit) return note.toLowerCase().includes(culprit.words.toLowerCase());
  const told = /`([^`]+) \(([^`]+):(\d+)\)`/g;
  return [...note.matchAll(told)].some(
    ([, name, file = '', line]) =>
      name === culprit.name && basename(file) === culprit.file && line === `${culprit.line}`,
  );
}

export const wordsOf = (culprit: Culprit): string =>
  'kind' in culprit
    ? `${culprit.kind}: ${culprit.words}`
    : `${culprit.name} (${culprit.file}:${culprit.line})${culprit.package ? ` of ${culprit.package}` : ''}`;
