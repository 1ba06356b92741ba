import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { CLI, cleanEnv } from '../support/cli.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** The reference that README.md links to, as far as it is about what the package holds. */
const REFERENCE = ['agent', 'config', 'exporters', 'runtimes'].map((part) => `src/${part}/README.md`);

/** What `npm pack` would put into the package, from what is built. */
function packed(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-package-'));
  try {
    for (const name of ['package.json', 'README.md', ...REFERENCE, 'LICENSE', 'CHANGELOG.md'])
      cpSync(join(PROJECT, name), join(folder, name));
    cpSync(dirname(CLI), join(folder, 'dist'), { recursive: true });
    const json = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: folder,
      env: cleanEnv({ npm_config_update_notifier: 'false' }),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 15_000,
    });
    const [{ files } = { files: [] }] = JSON.parse(json) as { files: { path: string }[] }[];
    return files.map(({ path }) => path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the package', () => {
  let files: string[] = [];
  beforeAll(() => {
    files = packed();
  }, 30_000);

  it('has the command, the library with its types, and the hook for Python', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/spillway.js',
        'dist/agent/index.js',
        'dist/agent/index.cjs',
        'dist/agent/index.d.ts',
        'dist/python/spillway_hook.py',
        'LICENSE',
        'README.md',
        ...REFERENCE,
      ]),
    );
    const hook = (path: string) => readFileSync(path, 'utf8');
    expect(hook(join(dirname(CLI), 'python/spillway_hook.py'))).toBe(
      hook(join(PROJECT, 'src/python/spillway_hook.py')),
    );
  });

  it('has nothing that is only for development', () => {
    const usual = /^(?:dist\/|package\.json$|README\.md$|src\/\w+\/README\.md$|LICENSE$|CHANGELOG\.md$)/;
    expect(files.filter((path) => !usual.test(path) || /__pycache__|\.test\.|\.ts\.map$/.test(path))).toEqual(
      [],
    );
  });
});
