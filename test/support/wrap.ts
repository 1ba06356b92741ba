import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { readProcess } from '../../src/wrap/processes.ts';
import type { DriverInfo, DriverOptions } from './wrap-driver.ts';

const here = dirname(fileURLToPath(import.meta.url));

/** A temporary directory with the driver as plain JavaScript in it. */
export function buildDriver(parent = tmpdir()) {
  const directory = mkdtempSync(join(parent, 'wrap-'));
  const program = join(directory, 'driver.mjs');
  buildSync({
    entryPoints: [join(here, 'wrap-driver.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  return { directory, program, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

export interface Run {
  driver: ChildProcess;
  info(): Promise<DriverInfo>;
  /** Standard output so far. */
  stdout(): string;
  /** Status, signal and all output, once the driver and everyone who holds its streams have ended. */
  result: Promise<{ code: number | null; signal: NodeJS.Signals | null; out: string; err: string }>;
}

let runs = 0;

/** Starts the driver with pipes for streams. */
export function drive(
  built: { directory: string; program: string },
  options: Omit<DriverOptions, 'info'>,
  input = '',
): Run {
  const info = join(built.directory, `info-${++runs}.json`);
  const driver = spawn(process.execPath, [built.program, JSON.stringify({ ...options, info })]);
  const output = { out: '', err: '' };
  driver.stdout.on('data', (data) => (output.out += data));
  driver.stderr.on('data', (data) => (output.err += data));
  driver.stdin.end(input);
  return {
    driver,
    stdout: () => output.out,
    info: async () => {
      await until(() => existsSync(info), `the command runs: ${output.err}`);
      return JSON.parse(readFileSync(info, 'utf8')) as DriverInfo;
    },
    result: new Promise((resolve) =>
      driver.once('close', (code, signal) => resolve({ code, signal, ...output })),
    ),
  };
}

export async function until(condition: () => boolean, what: string, withinMs = 10_000): Promise<void> {
  for (const end = performance.now() + withinMs; !condition(); ) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const isAlive = (pid: number): boolean => readProcess(pid) !== undefined;
