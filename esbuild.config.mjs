// Builds dist/: the command as one lean bundle with rarely needed parts in chunks of their own, the demo, the library, and the hook for Python.
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const { version } = JSON.parse(await readFile('package.json', 'utf8'));

// Parts of dependencies that the guardian never calls but that would be loaded with it, at 1–3 MiB of memory in all:
// request bodies and nested queries are never parsed, no file is served, no proxy is trusted, no trace is exported.
const NEVER_CALLED = {
  'body-parser': 'module.exports = new Proxy({}, { get: () => () => (req, res, next) => next() })',
  'mime-db':
    'module.exports = { "application/json": { extensions: ["json"] }, "text/plain": { extensions: ["txt"] } }',
  'proxy-addr':
    'module.exports = Object.assign((req) => req.socket.remoteAddress, { compile: () => () => false })',
  qs: 'module.exports = { parse() { return {} } }',
  'serve-static': 'module.exports = () => (req, res, next) => next()',
  send: 'module.exports = { mime: {} }',
  '@opentelemetry/api': 'module.exports = { trace: { getSpan() {} }, context: { active() {} } }',
  'thread-stream': 'module.exports = class {}',
};

const leaveOut = {
  name: 'leave-out',
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(${Object.keys(NEVER_CALLED).join('|')})$`);
    onResolve({ filter }, ({ path }) => ({ path, namespace: 'never-called' }));
    onLoad({ filter: /.*/, namespace: 'never-called' }, ({ path }) => ({ contents: NEVER_CALLED[path] }));
  },
};

// built beside the old one and then put in its place: a failed build leaves what works
const OUT = 'dist.new';
await rm(OUT, { recursive: true, force: true });
const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  legalComments: 'none',
  logLevel: 'warning',
};

const command = await build({
  ...shared,
  entryPoints: { spillway: 'src/main.ts' },
  outdir: OUT,
  format: 'esm',
  splitting: true,
  minify: true,
  chunkNames: 'chunks/[name]-[hash]',
  define: { 'process.env.SPILLWAY_VERSION': JSON.stringify(version), 'process.env.NODE_ENV': '"production"' },
  banner: {
    js: "import { createRequire as makeRequire$ } from 'node:module'; const require = makeRequire$(import.meta.url);",
  },
  plugins: [leaveOut],
  metafile: true,
});
await chmod(`${OUT}/spillway.js`, 0o755);

await build({
  ...shared,
  entryPoints: ['src/demo/main.ts', 'src/demo/agent.ts'],
  outdir: `${OUT}/demo`,
  format: 'esm',
  splitting: true,
});

for (const [format, extension] of [
  ['esm', '.js'],
  ['cjs', '.cjs'],
])
  await build({
    ...shared,
    entryPoints: { index: 'src/agent/index.ts' },
    outdir: `${OUT}/agent`,
    format,
    outExtension: { '.js': extension },
  });
await declarations('agent/index');
// of this folder nothing else ships: Python leaves its byte code there
await mkdir(`${OUT}/python`);
await copyFile('src/python/spillway_hook.py', `${OUT}/python/spillway_hook.py`);
await rm('dist', { recursive: true, force: true });
await rename(OUT, 'dist');

/**
 * Types of the library, for ESM and for CommonJS: to a compiler a `.d.ts` in this package describes an ES module, so
 * CommonJS gets the same as `.d.cts`. Only what the entry's own types need is kept.
 */
async function declarations(entry) {
  const emitted = `${OUT}/types`;
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'src/agent', '--outDir', emitted], { stdio: 'inherit' });
  const wanted = new Set([entry]);
  for (const name of wanted) {
    const text = await readFile(join(emitted, `${name}.d.ts`), 'utf8');
    const from = (specifier) => join(dirname(name), specifier);
    for (const [, specifier] of text.matchAll(/from '(\.[^']+)\.ts'/g)) wanted.add(from(specifier));
    await mkdir(join(OUT, dirname(name)), { recursive: true });
    for (const [types, module] of [
      ['.d.ts', 'js'],
      ['.d.cts', 'cjs'],
    ])
      await writeFile(join(OUT, name + types), text.replace(/(from '\.[^']+)\.ts'/g, `$1.${module}'`));
  }
  await rm(emitted, { recursive: true });
}

if (process.argv.includes('--analyze')) {
  for (const [file, { bytes, inputs }] of Object.entries(command.metafile.outputs)) {
    console.log(file, bytes);
    const parts = {};
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const name = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? 'spillway';
      parts[name] = (parts[name] ?? 0) + bytesInOutput;
    }
    for (const [name, size] of Object.entries(parts)
      .sort((a, b) => b[1] - a[1])
      .slice(0, 12))
      console.log('   ', size, name);
  }
}
