// Builds dist/: the command as one lean bundle with rarely needed parts in chunks of their own, the demo, the library, and the hook for Python.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build as bundle } from 'esbuild';

/** What came into each bundle: the bill of materials is made from it. */
const metafiles = [];
async function build(options) {
  const result = await bundle({ ...options, metafile: true });
  metafiles.push(result.metafile);
  return result;
}

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
  // the Kubernetes client sends over a connection of ours
  'node-fetch': 'module.exports = () => { throw new Error("node-fetch is left out") }',
};

// Of the Kubernetes client's 700 models, those that an Event is made of. With all of them posting the first Event costs
// 10 MiB of anonymous memory instead of 0.8, and 55 ms instead of 5, in the middle of an emergency.
const EVENT_MODELS = new Set([
  'EventsV1Event',
  'EventsV1EventSeries',
  'V1EventSource',
  'V1ManagedFieldsEntry',
  'V1ObjectMeta',
  'V1ObjectReference',
  'V1OwnerReference',
]);
const MODEL_LINE =
  /^(?:export \* from '\.\.\/models\/(\w+)\.js';|import \{ \w+ \} from '\.\.\/models\/(\w+)\.js';| {4}"(\w+)": \3,)$/;

const eventModels = {
  name: 'event-models',
  setup({ onLoad }) {
    onLoad({ filter: /client-node\/dist\/gen\/models\/ObjectSerializer\.js$/ }, async ({ path }) => {
      const kept = new Set();
      const contents = (await readFile(path, 'utf8')).split('\n').filter((line) => {
        const [, exported, imported, mapped] = MODEL_LINE.exec(line) ?? [];
        const model = exported ?? imported ?? mapped;
        if (mapped !== undefined && EVENT_MODELS.has(mapped)) kept.add(mapped);
        return model === undefined || EVENT_MODELS.has(model);
      });
      const lost = [...EVENT_MODELS].filter((model) => !kept.has(model));
      if (lost.length > 0)
        throw new Error(`${path} has no ${lost.join(', ')}: look at what an Event is made of`);
      return { contents: contents.join('\n') };
    });
  },
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
  define: {
    'process.env.SPILLWAY_VERSION': JSON.stringify(version),
    // from the folder of the chunks
    'process.env.SPILLWAY_PAGE': '"../page.html"',
    'process.env.SPILLWAY_REGISTER': '"../agent/register.cjs"',
    'process.env.NODE_ENV': '"production"',
  },
  banner: {
    js: "import { createRequire as makeRequire$ } from 'node:module'; const require = makeRequire$(import.meta.url);",
  },
  plugins: [leaveOut, eventModels],
  metafile: true,
});
await chmod(`${OUT}/spillway.js`, 0o755);

await page();
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
// loaded by agents with `--require`: small, of one file, and for every Node that an agent may run on
await build({
  ...shared,
  target: 'node18.19',
  entryPoints: { register: 'src/agent/register.ts' },
  outdir: `${OUT}/agent`,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  minify: true,
});
// of this folder nothing else ships: Python leaves its byte code there
await mkdir(`${OUT}/python`);
await copyFile('src/python/spillway_hook.py', `${OUT}/python/spillway_hook.py`);
const list = process.argv.indexOf('--metafiles');
if (list > 0) await writeFile(process.argv[list + 1] ?? 'metafiles.json', JSON.stringify(metafiles));
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

/**
 * The guardian's page: one file with its script and style in it, the same compressed, and the headers that hold it to asking
 * nobody but the guardian.
 */
async function page() {
  const { outputFiles } = await build({
    entryPoints: ['src/page/main.ts', 'src/page/page.css'],
    bundle: true,
    minify: true,
    write: false,
    outdir: '.',
    format: 'iife',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
  });
  const textOf = (extension) => outputFiles.find(({ path }) => path.endsWith(extension)).text.trim();
  const [script, style] = [textOf('.js'), textOf('.css')];
  const hashed = (kind, text) => createHash(kind).update(text).digest('base64');
  const html = (await readFile('src/page/index.html', 'utf8'))
    .replace(/^ +/gm, '')
    .replace('<!--style-->', () => `<style>${style}</style>`)
    .replace('<!--script-->', () => `<script>${script}</script>`);
  const headers = {
    ETag: `W/"${hashed('sha256', html).slice(0, 22)}"`,
    'Content-Security-Policy': [
      "default-src 'none'",
      `script-src 'sha256-${hashed('sha256', script)}'`,
      `style-src 'sha256-${hashed('sha256', style)}'`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join('; '),
  };
  await writeFile(`${OUT}/page.html`, html);
  await writeFile(`${OUT}/page.html.gz`, gzipSync(html, { level: 9 }));
  await writeFile(`${OUT}/page.html.json`, JSON.stringify(headers));
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
