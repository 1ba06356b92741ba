import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OptionKey } from '../../src/config/options.ts';
import { renderOptionTable } from '../../src/config/render.ts';
import { EVENTS } from '../../src/core/model/events.ts';
import { METRICS } from '../../src/core/report/metric-table.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The options that the first page names. */
const COMMON: readonly OptionKey[] = [
  'limit',
  'shedRatio',
  'gc',
  'gcStallBudget',
  'recycle',
  'restart',
  'recordDir',
  'webhookUrl',
];

/** The generated tables: the document, the name of the marks around a table in it, and what belongs between them. */
export const TABLES: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'README.md': { 'common-options': () => renderOptionTable(COMMON) },
  'src/config/README.md': { options: renderOptionTable },
  'src/exporters/README.md': { events: eventTable, metrics: metricTable },
};

export function readDocument(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** A document with its generated tables as they should be. */
export function withTables(path: string): string {
  return Object.entries(TABLES[path] ?? {}).reduce((text, [name, table]) => {
    const marks = new RegExp(`(<!-- ${name}:.*-->\n)[\\s\\S]*?(<!-- /${name} -->)`);
    if (!marks.test(text)) throw new Error(`${path} has no marks for ${name}`);
    return text.replace(marks, (_all, open: string, close: string) => `${open}${table()}${close}`);
  }, readDocument(path));
}

function eventTable(): string {
  const rows = Object.entries(EVENTS).map(([reason, { when }]) => `| \`${reason}\` | ${when} |\n`);
  return `| event | when |\n| --- | --- |\n${rows.join('')}`;
}

function metricTable(): string {
  const rows = METRICS.map(({ name, type, labels, help }) => {
    const label = labels.length > 0 ? `{${labels.join(',')}}` : '';
    return `| \`${name}${label}\` | ${type} | ${help.replace(/\.$/, '')} |\n`;
  });
  return `| metric | type | meaning |\n| --- | --- | --- |\n${rows.join('')}`;
}

/** What git ignores at the top, and git's own folder. */
const NO_SOURCE = new Set(['.git', 'node_modules', 'dist', 'dist.new', 'coverage', '.kernel-v2']);

/** Every Markdown file of the project, relative to its root. */
export function documents(): string[] {
  return readdirSync(ROOT, { withFileTypes: true })
    .filter(({ name }) => !NO_SOURCE.has(name))
    .flatMap((entry) =>
      entry.isDirectory()
        ? readdirSync(join(ROOT, entry.name), { recursive: true, encoding: 'utf8' }).map(
            (path) => `${entry.name}/${path}`,
          )
        : [entry.name],
    )
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules/'))
    .sort();
}

/** One heading of a document: its rank, its words, and the lines up to the next one. */
interface Part {
  rank: number;
  title: string;
  lines: string[];
}

/** A document at its headings; `#` inside a code block is none. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [{ rank: 0, title: '', lines: [] }];
  let inCode = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) inCode = !inCode;
    const [, marks = '', title = ''] = (!inCode && /^(#+) (.+)$/.exec(line)) || [];
    if (marks === '') parts.at(-1)?.lines.push(line);
    else parts.push({ rank: marks.length, title, lines: [] });
  }
  return parts;
}

/** A section of a document: what stands under its heading, lower headings included. */
export function sectionOf(text: string, heading: string): string {
  const parts = partsOf(text);
  const start = parts.findIndex(({ title }) => title === heading);
  const first = parts[start];
  if (first === undefined) throw new Error(`no section ${heading}`);
  const end = parts.findIndex(({ rank }, i) => i > start && rank <= first.rank);
  return parts
    .slice(start, end < 0 ? undefined : end)
    .flatMap(({ lines }) => lines)
    .join('\n');
}

/** The names in code marks in the first cell of each row of a section's tables. */
export function namesUnder(text: string, heading: string): string[] {
  const cells = [...sectionOf(text, heading).matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
}

/** The code blocks of one language in a text. */
export function codeBlocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(
    ([, code = '']) => code,
  );
}
