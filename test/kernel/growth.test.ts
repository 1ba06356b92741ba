import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MIB, until } from '../support/cli.ts';
import { agentOn, FREE, startGuarded, TWO_NODES } from '../support/guarded.ts';
import { agent, describeWhere, LACKS } from '../support/kernel.ts';
import { recordDirectory, reportsIn } from '../support/probes.ts';

/** Below shedding no signal opens the inspector. */
const OPEN = '--inspect=0';
/** Warned early, so that there is time to look before the kernel kills. */
const OPTIONS = ['--limit', '256Mi', '--warn-ratio', '0.35'];
const folder = mkdtempSync(join(tmpdir(), 'spillway-growth-'));
const bundle = join(folder, 'dist/agent.mjs');
/** Where in the source it grows. */
let turnsLine = 0;

beforeAll(async () => {
  const cache = join(folder, 'node_modules/conversation-cache');
  mkdirSync(cache, { recursive: true });
  writeFileSync(
    join(cache, 'package.json'),
    '{"name":"conversation-cache","version":"1.0.0","type":"module"}',
  );
  writeFileSync(
    join(cache, 'index.js'),
    'const answers = [];\nexport async function rememberAnswers(count) {\n  await null;\n  for (let i = 0; i < count; i++) answers.push(new Array(112).fill(i));\n}\n',
  );
  mkdirSync(join(folder, 'src'));
  const source = join(folder, 'src/growing.ts');
  cpSync(join(import.meta.dirname, '../support/agents/growing.ts'), source);
  const lines = readFileSync(source, 'utf8').split('\n');
  turnsLine = lines.findIndex((line) => line.includes('rememberTurns(count: number)')) + 1;
  await build({
    entryPoints: [source],
    outfile: bundle,
    bundle: true,
    external: ['conversation-cache'],
    platform: 'node',
    format: 'esm',
    minify: true,
    sourcemap: true,
    logLevel: 'silent',
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeWhere('what grows in an agent', LACKS, () => {
  for (const { bin, version } of TWO_NODES) {
    it(`is named by function, file and line of its source, in status, event, report and file (Node ${version})`, async () => {
      const directory = recordDirectory();
      const guarded = await startGuarded('run', [
        ...[...OPTIONS, '--record-dir', directory, '--recycle', 'off', '--'],
        ...[bin, FREE, bundle, '--rate', '12'],
      ]);
      await until(
        async () => ((await guarded.status()).growth?.sites.length ?? 0) > 0,
        'it is named',
        30_000,
      );
      const { growth } = await guarded.status();
      const [site] = growth?.sites ?? [];
      expect(site).toMatchObject({ name: 'rememberTurns', kind: 'function', line: turnsLine, package: null });
      expect(site?.file).toMatch(/src\/growing\.ts$/);
      expect(site?.growthBytes).toBeGreaterThan(MIB);
      expect(growth?.kinds[0]?.kind).toBe('heap');
      const named = new RegExp(`grown in \`rememberTurns \\(.*src/growing\\.ts:${turnsLine}\\)\``);
      await expect.poll(() => guarded.notes('MemoryGrowthNamed')[0] ?? '').toMatch(named);

      await guarded.ended;
      const [report] = reportsIn(directory);
      expect(report?.status.growth?.sites[0]).toMatchObject({ name: 'rememberTurns', line: turnsLine });
    });

    it(`is told with the package it is in (Node ${version})`, async () => {
      const guarded = await startGuarded('run', [
        ...[...OPTIONS, '--'],
        ...[bin, OPEN, bundle, '--kind', 'package', '--rate', '12', '--stop', '180'],
      ]);
      await until(
        async () => ((await guarded.status()).growth?.sites.length ?? 0) > 0,
        'it is named',
        30_000,
      );
      const { growth } = await guarded.status();
      expect(growth?.sites[0]).toMatchObject({ name: 'rememberAnswers', package: 'conversation-cache' });
      expect(growth?.sites[0]?.file).toMatch(/conversation-cache\/index\.js$/);
      await expect.poll(() => guarded.notes('MemoryGrowthNamed')[0] ?? '').toContain('of conversation-cache');
    });
  }

  it('is told apart where it is in Buffers', async () => {
    const guarded = await startGuarded('run', [
      ...[...OPTIONS, '--'],
      ...agentOn(process.execPath, [OPEN], 'leak', '--rate', 15, '--stop', 160),
    ]);
    await until(() => guarded.notes('MemoryGrowthNamed').length > 0, 'it is named', 30_000);
    expect(guarded.notes('MemoryGrowthNamed')[0]).toMatch(
      /^Buffers and other memory of objects outside the heap: /,
    );
    expect((await guarded.status()).growth?.kinds[0]?.kind).toBe('external');
  });

  it('is told apart where it is in its child processes', async () => {
    const [, program = '', ...args] = agent('browser', '--mib', 30);
    const guarded = await startGuarded('run', [...OPTIONS, '--', process.execPath, OPEN, program, ...args]);
    // where a look at the processes takes long, they are seen only by the second reading, half a minute later
    const children = async () =>
      (await guarded.status()).growth?.kinds.find(({ kind }) => kind === 'children')?.words;
    const asked = async () => {
      await guarded.post('/v1/profile?seconds=0'); // it rests: by itself nothing is read again
      return /`chromium` ×4$/.test((await children()) ?? '');
    };
    await until(asked, 'all of them are seen', 50_000);
    expect(await children()).toMatch(/^child processes: [\d.]+ MiB/);
  });
});
