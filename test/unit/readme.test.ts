import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OPTIONS } from '../../src/config/options.ts';
import { EVENT_REASONS } from '../../src/core/model/events.ts';
import { LEVELS } from '../../src/core/model/status.ts';
import { withTables } from '../support/readme.ts';

const ROOT = new URL('../..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const readme = read('README.md');

/** The rows of the table under a heading, each as the words in code marks in its first cell. */
function namesUnder(heading: string): string[] {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const cells = [...section.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
}

describe('the README', () => {
  it('has the tables that the code gives (npm run docs)', async () => {
    await expect(withTables(readme)).toMatchFileSnapshot('../../README.md');
  });

  it('names every event, and no other', () => {
    expect(namesUnder('Events').sort()).toEqual([...EVENT_REASONS].sort());
  });

  it('states the levels as they are by default', () => {
    expect(namesUnder('Levels')).toEqual([...LEVELS]);
    for (const key of ['warnRatio', 'shedRatio', 'criticalRatio'] as const) {
      const ratio = OPTIONS[key].default;
      const left = (ratio - OPTIONS.recoverMargin.default).toFixed(2);
      expect(readme).toMatch(new RegExp(`^\\| \`\\w+\` \\| ${ratio} \\|.*\\| ${left} \\|$`, 'm'));
    }
  });

  it('names every route of the server, and no other', () => {
    const source = read('src/adapters/http-server.ts');
    const routes = [...source.matchAll(/(?:get|getLarge|probe|app\.use)\('(\/[^']*)'/g)].map(
      ([, path = '']) => path,
    );
    const named = namesUnder('HTTP').map((name) => name.replace('GET ', '').replace('/ID', '/:id'));
    expect(named.sort()).toEqual(routes.sort());
  });

  it('names only scripts and files that are there', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...readme.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
    const files = [
      ...[...readme.matchAll(/\]\(([\w./-]+)\)/g)].map(([, path = '']) => path),
      ...[...readme.matchAll(/\bsrc\/[\w./-]+/g)].map(([path]) => path),
    ];
    expect(files.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
  });
});
