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
