import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OPTIONS } from '../../src/config/options.ts';
import { EVENTS } from '../../src/core/model/events.ts';
import { GC_VERDICTS } from '../../src/core/model/gc-record.ts';
import { LEVELS } from '../../src/core/model/status.ts';
import type { DemoRun } from '../../src/demo/recording.ts';
import {
  codeBlocks,
  documents,
  namesUnder,
  partsOf,
  ROOT,
  readDocument,
  sectionOf,
  TABLES,
  withTables,
} from '../support/readme.ts';
import { statusWith } from '../support/status.ts';

const readme = withTables('README.md');
const exporters = withTables('src/exporters/README.md');
const DOCUMENTS = documents();
/** The change log speaks of what was, too. */
const CURRENT = DOCUMENTS.filter((path) => path !== 'CHANGELOG.md');

describe('the tables of', () => {
  it.each(Object.keys(TABLES))('%s are what the code gives (npm run docs)', async (path) => {
    await expect(withTables(path)).toMatchFileSnapshot(`../../${path}`);
  });
});

describe('the README', () => {
  it('is short', () => {
    expect(Buffer.byteLength(readme)).toBeLessThanOrEqual(9216);
  });

  it('comes to both commands and to Kubernetes within two screens', () => {
    const screens = readme.split('\n').slice(0, 80).join('\n');
    expect(screens).toContain('npm ci && npm run demo\n');
    expect(screens).toContain('npm ci && npm test\n');
    expect(screens).toContain('spillway run ');
    expect(screens).toContain('kubectl -n agents patch deployment');
  });

  it('has the sections in their order', () => {
    const titles = partsOf(readme)
      .filter(({ rank }) => rank === 2)
      .map(({ title }) => title);
    expect(titles).toEqual([
      'Why',
      'What it does',
      'Quick start',
      'How it works',
      'Common options',
      'Footprint',
      'Compatibility and known limitations',
      'Links',
    ]);
  });

  it('states the levels as they are by default', () => {
    expect(namesUnder(readme, 'Levels')).toEqual([...LEVELS]);
    for (const key of ['warnRatio', 'shedRatio', 'criticalRatio'] as const) {
      const ratio = OPTIONS[key].default;
      const left = (ratio - OPTIONS.recoverMargin.default).toFixed(2);
      expect(readme).toMatch(new RegExp(`^\\| \`\\w+\` \\| ${ratio} \\|.*\\| ${left} \\|$`, 'm'));
    }
    const holdSeconds = OPTIONS.hold.default / 1000;
    expect(readme).toContain(`A level holds for ${holdSeconds} s`);
  });

  it('states figures that the bench has', () => {
    const bench = readDocument('test/bench/README.md');
    const lines = bench.split('\n');
    const rows = sectionOf(readme, 'Footprint')
      .split('\n')
      .filter((line) => line.startsWith('|'));
    expect(rows.length).toBeGreaterThan(4);
    expect(rows.filter((row) => !lines.includes(row))).toEqual([]);
    const burst = (rate: string) =>
      lines
        .find((line) => line.startsWith(`| ${rate} `) && line.includes('| spillway '))
        ?.split(/\s*\|\s*/) ?? [];
    const [, , , fast, p50] = burst('500 MB/s');
    const [, , , flatOut] = burst('flat out');
    const { guarded, offered } = JSON.parse(
      readFileSync(new URL('../fixtures/demo-run.json', import.meta.url), 'utf8'),
    ) as DemoRun;
    const lost = `${guarded.conversations.lost} of ${offered.conversations}`;
    expect(sectionOf(readme, 'Why')).toContain(
      `| ${[fast, p50, flatOut, lost, guarded.deaths.length].join(' | ')} |`,
    );
  });

  it('installs on Kubernetes as the README of the chart does', () => {
    const [block = ''] = codeBlocks(sectionOf(readme, 'Kubernetes'), 'sh');
    const chart = codeBlocks(sectionOf(readDocument('helm/spillway/README.md'), 'Install'), 'sh');
    expect(chart.slice(0, 2).join('')).toBe(block);
  });
});

describe('the reference of HTTP, events, metrics and status', () => {
  const routesIn = (path: string, calls: RegExp) =>
    [...readDocument(path).matchAll(calls)].map(([, route = '']) => route).sort();
  const named = (method: RegExp) =>
    namesUnder(exporters, 'HTTP')
      .filter((name) => method.test(name))
      .map((name) =>
        name
          .replace(/^(?:GET|POST) /, '')
          .replace('/ID', '/:id')
          .replace(/\?.*/, ''),
      )
      .sort();

  it('names every route of the server, and no other', () => {
    expect(named(/^(?!POST)/)).toEqual(
      routesIn('src/adapters/http-server.ts', /(?:get|getLarge|probe|app\.use)\('(\/[^']*)'/g),
    );
  });

  it('names every route of the admin endpoint, and no other', () => {
    expect(named(/^POST/)).toEqual(routesIn('src/adapters/admin-server.ts', /\['(\/v1\/[^']*)', \(/g));
  });

  it('names every event, and no other', () => {
    expect(namesUnder(exporters, 'Events').sort()).toEqual(Object.keys(EVENTS).sort());
  });

  it('names every field of the status, and no other', () => {
    expect(namesUnder(exporters, 'Status').sort()).toEqual(Object.keys(statusWith()).sort());
  });

  it('names every verdict on a collection, and no other', () => {
    const runtimes = readDocument('src/runtimes/README.md');
    expect(namesUnder(runtimes, 'Collections')).toEqual([...GC_VERDICTS]);
  });
});

describe('the reference of the library', () => {
  it('names every member of what connect returns, and no other', () => {
    const [, members = ''] =
      /export interface Pressure \{\n([\s\S]*?)\n\}/.exec(readDocument('src/agent/pressure.ts')) ?? [];
    const declared = [...members.matchAll(/^ {2}(?:readonly )?(\w+)[(<:]/gm)].map(([, name = '']) => name);
    const library = readDocument('src/agent/README.md').split('\n## Options')[0] ?? '';
    const stated = namesUnder(library, 'The library: `spillway/agent`').map((name) =>
      name.replace(/\(.*/, ''),
    );
    expect(stated.sort()).toEqual(declared.sort());
  });
});

describe('the documents', () => {
  it.each(DOCUMENTS)('%s has links that lead somewhere', (path) => {
    expect(linksOf(readDocument(path)).filter((link) => !leads(path, link))).toEqual([]);
  });

  it('name only scripts and files that are there', () => {
    const { scripts } = JSON.parse(readDocument('package.json')) as { scripts: Record<string, string> };
    for (const path of CURRENT) {
      const text = readDocument(path);
      const named = [...text.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name = '']) => name);
      expect(
        named.filter((name) => scripts[name] === undefined),
        path,
      ).toEqual([]);
      const files = [...text.matchAll(/(?<![\w./])(?:src|test|helm|deploy)\/[\w./-]*[\w/]/g)].map(
        ([file]) => file,
      );
      expect(
        files.filter((file) => !existsSync(join(ROOT, file))),
        path,
      ).toEqual([]);
    }
  });

  it('name only options that there are', () => {
    const known = new Set(Object.keys(OPTIONS));
    for (const path of CURRENT) {
      const annotated = [...readDocument(path).matchAll(/`spillway\.dev\/([a-z-]+): "/g)].map(
        ([, name = '']) => name,
      );
      const keys = annotated
        .filter((name) => name !== 'inject' && name !== 'status') // the label, and what the injector writes
        .map((name) => name.replace(/-(\w)/g, (_all, letter: string) => letter.toUpperCase()));
      expect(
        keys.filter((key) => !known.has(key)),
        path,
      ).toEqual([]);
    }
  });
});

/** The targets of a document's links and pictures, those to other hosts left out. */
function linksOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '`');
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^\w+:/.test(link));
}

function leads(from: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const path = file === '' ? from : normalize(join(dirname(from), file));
  if (!existsSync(join(ROOT, path))) return false;
  return anchor === undefined || (path.endsWith('.md') && anchorsOf(readDocument(path)).includes(anchor));
}

/** The anchors that a forge gives to headings: words and digits, blanks as dashes, a number at a repeat. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return partsOf(text).map(({ title }) => {
    const slug = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
}
