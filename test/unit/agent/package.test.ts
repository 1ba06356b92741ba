import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, cleanEnv, startCli } from '../../support/cli.ts';
import { startServer } from '../../support/http-server.ts';
import { codeBlocks, readDocument } from '../../support/readme.ts';

// The library as it is built and installed: a program of its own that imports it by its name.

const project = fileURLToPath(new URL('../../..', import.meta.url));
const app = mkdtempSync(join(tmpdir(), 'spillway-app-'));
const installed = join(app, 'node_modules/spillway');

const FROM = {
  mjs: "import { connect } from 'spillway/agent';",
  cjs: "const { connect } = require('spillway/agent');",
};
type Format = keyof typeof FROM;
const FORMATS: Format[] = ['mjs', 'cjs'];

beforeAll(() => {
  mkdirSync(installed, { recursive: true });
  cpSync(join(project, 'package.json'), join(installed, 'package.json'));
  for (const part of ['agent', 'core'])
    cpSync(join(dirname(CLI), part), join(installed, 'dist', part), { recursive: true });
});
afterAll(() => rmSync(app, { recursive: true, force: true }));

function program(format: Format, body: string): string {
  const file = join(app, `program-${Math.random()}.${format}`);
  writeFileSync(file, `${FROM[format]}\n${body}`);
  return file;
}

/** Runs a program to its own end; one that does not end is a failure. */
async function run(
  file: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [file], { env: cleanEnv(env), timeout: 10_000 });
  const text = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (data) => (text.out += data));
  child.stderr.setEncoding('utf8').on('data', (data) => (text.err += data));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...text };
}

describe.each(FORMATS)('a program that imports the library (%s)', (format) => {
  it('ends by itself while it follows a sidecar', async () => {
    const { port, listeners } = await startServer();
    const file = program(
      format,
      `const pressure = connect();
       const wait = setInterval(() => {
         if (pressure.source !== 'sidecar') return;
         clearInterval(wait);
         console.log(pressure.level, pressure.ratio, pressure.accept());
       }, 10);`,
    );
    const ended = await run(file, { SPILLWAY_URL: `http://127.0.0.1:${port}` });
    expect(ended).toEqual({ code: 0, out: 'ok 0.4 true\n', err: '' });
    expect(listeners.size).toBeLessThanOrEqual(1);
  });

  it('ends by itself with no sidecar, or one that does not answer', async () => {
    const file = program(format, `const { level, ratio } = connect(); console.log(level, typeof ratio);`);
    for (const SPILLWAY_URL of ['http://127.0.0.1:9', 'http://192.0.2.1', 'nonsense'])
      expect(await run(file, { SPILLWAY_URL })).toEqual({ code: 0, out: 'ok number\n', err: '' });
  });

  it('outlives what its listeners throw', async () => {
    const { port, state } = await startServer();
    state.status.level = 'critical';
    const file = program(
      format,
      `const pressure = connect();
       pressure.on('level', () => { throw new Error('boom'); });
       pressure.on('advice', async () => { throw new Error('boom'); });
       setTimeout(() => console.log(pressure.level, pressure.source), 500);`,
    );
    const ended = await run(file, { SPILLWAY_URL: `http://127.0.0.1:${port}` });
    expect(ended).toEqual({ code: 0, out: 'critical sidecar\n', err: '' });
  });

  it('finds its guardian in wrap mode', async () => {
    const file = program(
      format,
      `const pressure = connect();
       setInterval(() => {
         if (pressure.source !== 'sidecar') return;
         console.log(pressure.level, pressure.ratio > 0);
         process.exit();
       }, 10);`,
    );
    const { code, out } = await startCli(['run', '--listen', '127.0.0.1:0', '--', process.execPath, file])
      .ended;
    expect({ code, out }).toEqual({ code: 0, out: 'ok true\n' });
  });
});

describe('the types', () => {
  const USE = `
    const options: ConnectOptions = { url: null, shedRatio: 0.8, onError: (error: unknown) => void error };
    const pressure: Pressure = connect(options);
    const level: Level = pressure.level;
    const ratio: number | null = pressure.ratio;
    pressure
      .on('level', (now, before) => [now satisfies Level, before satisfies Level])
      .on('advice', ({ action }: Advice) => action === 'trim');
    // @ts-expect-error there is no such event
    pressure.on('levle', () => {});
    const accepted: boolean = pressure.accept(2);
    const limited: Limited = limit({ pressure, maxWaitMs: 1000 });
    const answer: Promise<number> = limited(async () => 1, { weight: 2, signal: new AbortController().signal });
    void [expressShed(pressure), fastifyShed(pressure, { exempt: ['/up'] }), honoShed(pressure, {})];
    const seconds = (error: unknown) => error instanceof OverloadedError && error.retryAfterSeconds;
    pressure.close();
    void [answer, seconds];
    void [level, ratio, accepted];`;
  const HEAD =
    "import { type Advice, connect, type ConnectOptions, expressShed, fastifyShed, honoShed, type Level, limit, type Limited, OverloadedError, type Pressure } from 'spillway/agent';";

  it.each([
    ['node16', 'cts'],
    ['node16', 'mts'],
    ['nodenext', 'cts'],
    ['nodenext', 'mts'],
  ])('serve a consumer under %s, .%s, without the types of Node', (module, extension) => {
    const file = `use-${module}.${extension}`;
    writeFileSync(join(app, file), `${HEAD}\n${USE}`);
    expect(compile(file, '--module', module, '--types', '')).toBe('');
  });

  const BLOCKS = codeBlocks(readDocument('src/agent/README.md'), 'ts');

  it.each(
    BLOCKS.map((code, i) => [i + 1, code] as const),
  )('serve the code of the README, block %i', (i, code) => {
    const file = `readme-${i}.mts`;
    writeFileSync(join(app, file), code);
    const types = ['--typeRoots', join(project, 'node_modules/@types'), '--types', 'node'];
    expect(compile(file, '--module', 'nodenext', ...types)).toBe('');
  });

  it('serve all code of the README: it has blocks, and no other language', () => {
    expect(BLOCKS.length).toBeGreaterThan(0);
    expect(readDocument('src/agent/README.md').match(/^```/gm)).toHaveLength(2 * BLOCKS.length);
  });
});

/** What the compiler finds in a file of the program's folder. */
function compile(file: string, ...flags: string[]): string {
  const tsc = join(project, 'node_modules/typescript/bin/tsc');
  const args = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', ...flags, file];
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, ...args], { cwd: app, encoding: 'utf8' });
  return stdout + stderr;
}
