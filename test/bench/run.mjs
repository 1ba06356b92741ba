// Bundles the bench (Node 20 runs no TypeScript) and runs it: npm run bench -- --help
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const home = import.meta.dirname;
const outdir = await mkdtemp(join(tmpdir(), 'spillway-bench-'));
await build({
  entryPoints: ['main', 'sampler', 'read-cost'].map((name) => join(home, `${name}.ts`)),
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  // for the CommonJS packages among what is measured
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
const bench = spawn(process.execPath, [join(outdir, 'main.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, BENCH_HOME: home },
});
// an interrupt from the terminal reaches the bench too, which ends what it started; other signals are passed on
process.on('SIGINT', () => {});
process.on('SIGTERM', () => bench.kill());
bench.once('exit', async (code) => {
  await rm(outdir, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
