import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** TypeScript files of a folder that name it. */
const naming = (folder: string, name: RegExp) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && name.test(readFileSync(join(ROOT, folder, path), 'utf8')))
    .sort();

it('a constraint costs an option, a file, a line and a test', () => {
  const name = /injected-?ratio/i;
  expect(naming('src', name)).toEqual(['compose.ts', 'config/options.ts', 'sources/injected-ratio.ts']);
  expect(naming('test', name)).toEqual(['unit/day-one.test.ts', 'unit/sources/injected-ratio.test.ts']);
});

it('a remedy costs an option, a file, a line, a row of EVENTS and a test', () => {
  const name = /pre-?kill-?hook/i;
  expect(naming('src', name)).toEqual([
    'compose.ts',
    'config/options.ts',
    'core/model/events.ts',
    'remedies/pre-kill-hook.ts',
  ]);
  expect(naming('test', name)).toEqual(['unit/day-one.test.ts', 'unit/remedies/pre-kill-hook.test.ts']);
});

it('a runtime costs a folder, a line of the registry, a row of its facts and how it is recognized', () => {
  const compared = /[!=]== '(?:node|python|jvm|go)'|case '(?:node|python|jvm|go)'/;
  // a package named `node`, and a target of that type
  const other = ['core/report/growth-breakdown.ts', 'sources/inspector/target-list.ts'];
  expect(naming('src', compared).filter((file) => !other.includes(file))).toEqual([]);
  expect(naming('src', /'jvm'/)).toEqual([
    'core/model/status.ts',
    'runtimes/jvm/client.ts',
    'sources/runtime.ts',
  ]);
});
