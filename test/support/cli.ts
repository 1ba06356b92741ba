import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Status } from '../../src/core/model/status.ts';

/** The built command; `DIST` names another build. */
export const CLI = join(
  process.env['DIST'] ?? fileURLToPath(new URL('../../dist', import.meta.url)),
  'spillway.js',
);

/** To start takes 0.4 s of CPU, which a slow or shared machine may take long to give. */
const ANSWERS_WITHIN_MS = 30_000;

/** How a command ended, and all it printed. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

export type CliOptions = Pick<SpawnOptions, 'env' | 'cwd' | 'stdio'> & {
  /** What starts the command: `setpriv …`, `sh -c 'exec "$@" 2>&-'`. */
  prefix?: string[];
};

/** Nothing of the environment of who runs the tests decides a test. */
export const cleanEnv = (changes: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  ...changes,
});

/** Starts the built command; ended with the test. Output is collected. */
export function startCli(args: readonly string[], options: CliOptions = {}) {
  const [command = '', ...rest] = [...(options.prefix ?? []), process.execPath, CLI, ...args];
  const child: ChildProcess = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd,
    env: options.env ?? cleanEnv(),
    ...(options.stdio === undefined ? {} : { stdio: options.stdio }),
  });
  const text = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (data) => (text.out += data));
  child.stderr?.setEncoding('utf8').on('data', (data) => (text.err += data));
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  return { child, text, ended };
}

/** Runs the built command to its end. */
export const runCli = (args: readonly string[], options: CliOptions = {}) => startCli(args, options).ended;

/** A guardian that listens, with eyes on it from outside. */
export interface GuardianProcess extends ReturnType<typeof startCli> {
  pid: number;
  port: number;
  get(path: string, init?: RequestInit): Promise<Response>;
  status(): Promise<Status>;
  /** Log lines so far, parsed. */
  lines(): Record<string, unknown>[];
  /** Reasons of the events told so far. */
  events(): string[];
}

/** Starts a guardian (`guard` or `run`) on a free port of 127.0.0.1 and waits until it answers. */
export async function startGuardian(
  command: 'guard' | 'run',
  args: readonly string[],
  options: CliOptions = {},
): Promise<GuardianProcess> {
  const port = await freePort();
  const cli = startCli([command, '--listen', `127.0.0.1:${port}`, ...args], options);
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  await until(
    async () => {
      if (cli.child.exitCode !== null) throw new Error(`it ended: ${cli.text.err}`);
      return await get('/livez').then(
        ({ ok }) => ok,
        () => false,
      );
    },
    'the guardian answers',
    ANSWERS_WITHIN_MS,
  );
  const lines = () =>
    cli.text.err
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    ...cli,
    pid: cli.child.pid ?? 0,
    port,
    get,
    status: async () => (await (await get('/v1/status')).json()) as Status,
    lines,
    events: () => lines().flatMap(({ event }) => (typeof event === 'string' ? [event] : [])),
  };
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Waits until something holds. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 20_000,
): Promise<void> {
  for (const end = performance.now() + withinMs; !(await holds()); ) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const MIB = 2 ** 20;

/** Resident memory of a process, in MiB. */
export function rssMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** The files a process has open; sockets and pipes left out. */
export function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)].filter((path) => path.startsWith('/'));
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** CPU time a process has spent, in ms. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Buckets of the sampling interval, as the metrics tell them. */
async function intervalBuckets(guardian: GuardianProcess): Promise<[number, number][]> {
  const text = await (await guardian.get('/metrics')).text();
  const lines = text.matchAll(/^spillway_sample_interval_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm);
  return [...lines].map(([, le, count]) => [
    le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
    Number(count),
  ]);
}

/**
 * Watches the sampling from now on; the result is an upper bound of its 99th percentile since, in ms. Of fewer than 100
 * samples the longest is left out: on a shared machine one pause says nothing about the guardian.
 */
export async function watchSampling(guardian: GuardianProcess) {
  await new Promise((resolve) => setTimeout(resolve, 300)); // past the cache of /metrics
  const before = await intervalBuckets(guardian);
  return async (): Promise<{ samples: number; p99Ms: number }> => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const counts = (await intervalBuckets(guardian)).map(
      ([le, count], i) => [le, count - (before[i]?.[1] ?? 0)] as const,
    );
    const samples = counts.at(-1)?.[1] ?? 0;
    const p99 = counts.find(([, count]) => count >= samples - Math.max(1, 0.01 * samples))?.[0] ?? Number.NaN;
    return { samples, p99Ms: p99 * 1000 };
  };
}

/** An agent in Node that holds 160 MiB more on SIGUSR2 and gives it back on the next; prints `up` once it can. */
export const TIDAL_AGENT = [
  process.execPath,
  '--expose-gc',
  '-e',
  'let kept; process.on("SIGUSR2", () => { kept = kept ? undefined : Buffer.alloc(160 << 20, 1); gc(); }); setInterval(() => {}, 1000); console.log("up");',
];
/** A limit under which the tidal agent is calm when empty and shedding when full, whether enforced or not. */
export const TIDAL_OPTIONS = [
  '--limit',
  '320Mi',
  '--warn-ratio',
  '0.3',
  '--shed-ratio',
  '0.4',
  '--critical-ratio',
  '0.95',
  '--hold',
  '100ms',
];

/** Whether a process catches SIGUSR2, which would else kill it. */
function catchesUsr2(pid: number): boolean {
  const caught = /SigCgt:\s+(\w+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${caught}`) & 0x800n) !== 0n;
}

/** Wraps the tidal agent. */
export async function startTidal(args: readonly string[] = [], options: CliOptions = {}) {
  const guardian = await startGuardian('run', [...TIDAL_OPTIONS, ...args, '--', ...TIDAL_AGENT], options);
  await until(async () => {
    const { agent } = await guardian.status();
    return agent !== null && catchesUsr2(agent.pid);
  }, 'the agent is up');
  return { ...guardian, turn: () => guardian.child.kill('SIGUSR2') };
}

/** Five times into shedding and back, as its probe sees it. */
export async function pressAndRelease(guardian: Awaited<ReturnType<typeof startTidal>>): Promise<void> {
  for (let i = 0; i < 5; i++) {
    guardian.turn();
    await until(async () => (await guardian.get('/readyz')).status === 503, 'it sheds');
    guardian.turn();
    await until(async () => (await guardian.get('/readyz')).status === 200, 'it is ready again');
  }
}
