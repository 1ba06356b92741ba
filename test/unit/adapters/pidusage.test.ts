import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { readProcessUsage } from '../../../src/adapters/pidusage.ts';
import { start } from '../../support/started.ts';

const GONE = 2 ** 22 + 1;

describe('readProcessUsage', () => {
  it('tells memory, CPU time and age of the living, and leaves out the gone', async () => {
    const usage = await readProcessUsage([process.pid, GONE]);
    expect([...usage.keys()]).toEqual([process.pid]);
    const own = usage.get(process.pid);
    expect(own?.rssBytes).toBeGreaterThan(20e6);
    expect(own?.cpuMs).toBeGreaterThan(0);
    expect(own?.ageMs).toBeGreaterThan(0);
    expect(await readProcessUsage([GONE])).toEqual(new Map());
    expect(await readProcessUsage([])).toEqual(new Map());
  });

  it('leaves out a process that ends while pidusage still holds its file', async () => {
    const started = await start('sleep', ['60']);
    expect((await readProcessUsage([started.pid])).has(started.pid)).toBe(true);
    const ended = new Promise((resolve) => started.child.once('exit', resolve));
    started.kill();
    await ended;
    expect(await readProcessUsage([started.pid])).toEqual(new Map());
  });

  it('leaves the environment as it was', async () => {
    const before = { ...process.env };
    await Promise.all([readProcessUsage([process.pid]), readProcessUsage([process.pid])]);
    expect({ ...process.env }).toEqual(before);
  });

  it('prints nothing and still answers where getconf is missing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'spillway-pidusage-'));
    const file = join(folder, 'ask.cjs');
    try {
      await build({
        stdin: {
          contents: `import { readProcessUsage } from './src/adapters/pidusage.ts';
            readProcessUsage([process.pid]).then((usage) => process.stdout.write(String(usage.get(process.pid).rssBytes > 1e7)));`,
          resolveDir: process.cwd(),
        },
        bundle: true,
        platform: 'node',
        format: 'cjs',
        outfile: file,
        logLevel: 'error',
      });
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], {
        env: { PATH: '/nowhere' },
      });
      expect(stdout).toBe('true');
      expect(stderr).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
