import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it, onTestFinished } from 'vitest';
import { pidsInGroup, removeGroup, writeControl } from '../../src/wrap/cgroup-files.ts';
import { locateMemoryCgroup } from '../../src/wrap/cgroup-place.ts';

const project = fileURLToPath(new URL('../../', import.meta.url));
const home = locateMemoryCgroup(
  readFileSync('/proc/self/cgroup', 'utf8'),
  readFileSync('/proc/self/mountinfo', 'utf8'),
);

/** Of the cgroups that account memory here. */
export const VERSION = typeof home === 'string' ? 2 : home.version;
export const CGROUP = `cgroup-v${VERSION}`;
const [LIMIT, USAGE] =
  VERSION === 1 ? ['memory.limit_in_bytes', 'memory.usage_in_bytes'] : ['memory.max', 'memory.current'];
const CPU_V1 = '/sys/fs/cgroup/cpu';

/** What is missing here for tests that make cgroups, in words. */
export const LACKS =
  typeof home === 'string' ? home : process.getuid?.() !== 0 ? 'making cgroups takes root' : undefined;

/** A suite that needs something: without it, it is skipped, and it is printed why. */
export function describeWhere(title: string, lacks: string | undefined, body: () => void): void {
  describe.skipIf(lacks)(titled(title, lacks), body);
}

/** A test that needs something: without it, it is skipped, and it is printed why. */
export function itWhere(
  title: string,
  lacks: string | undefined,
  body: () => Promise<void>,
  timeoutMs?: number,
): void {
  it.skipIf(lacks)(titled(title, lacks), body, timeoutMs);
}

function titled(title: string, lacks: string | undefined): string {
  if (lacks === undefined) return title;
  console.warn(`skipped, ${lacks}: ${title}`);
  return `${title} (skipped: ${lacks})`;
}

/** The command line of one of the test programs. */
export const agent = (name: string, ...args: (string | number)[]): string[] => [
  process.execPath,
  join(process.env['AGENTS'] ?? join(project, 'test/support/agents'), `${name}.mjs`),
  ...args.map(String),
];

/** A memory cgroup; all in it ends with the test. */
export interface Group {
  directory: string;
  /** Starts a command inside: put in front of it. */
  enter: string[];
  pids(): number[];
  usedBytes(): number;
  setLimit(bytes: number): void;
}

let groups = 0;

/** Makes a group beside others. `cpuShare`: of one core, in periods of 100 ms. `atEnd`: of a test that runs beside others. */
export function makeGroup(
  options: {
    limitBytes?: number;
    cpuShare?: number;
    killTogether?: boolean;
    atEnd?: (remove: () => Promise<void>) => void;
  } = {},
): Group {
  if (typeof home === 'string') throw new Error(home);
  const { limitBytes, cpuShare, killTogether, atEnd = onTestFinished } = options;
  const name = `spillway-test-${process.pid}-${++groups}`;
  const directory = join(VERSION === 1 ? home.directory : home.mountPoint, name);
  const directories = cpuShare !== undefined && VERSION === 1 ? [directory, join(CPU_V1, name)] : [directory];
  for (const each of directories) {
    mkdirSync(each);
    atEnd(async () => void (await removeGroup(each)));
  }
  const group: Group = {
    directory,
    enter: [
      'sh',
      '-c',
      `${directories.map((each) => `echo 0 >${each}/cgroup.procs`).join(' && ')} && exec "$@"`,
      'sh',
    ],
    pids: () => pidsInGroup(directory),
    usedBytes: () => Number(readFileSync(join(directory, USAGE), 'utf8')),
    setLimit: (bytes) => writeControl(directory, LIMIT, bytes),
  };
  if (limitBytes !== undefined) group.setLimit(limitBytes);
  if (killTogether) writeControl(directory, 'memory.oom.group', 1);
  if (cpuShare !== undefined) {
    const quota = 100_000 * cpuShare;
    if (VERSION === 2) writeControl(directory, 'cpu.max', `${quota} 100000`);
    else writeControl(join(CPU_V1, name), 'cpu.cfs_quota_us', quota);
  }
  return group;
}

/** What is missing here to give a process less CPU. */
export const LACKS_CPU =
  LACKS ?? (VERSION === 1 && !existsSync(`${CPU_V1}/cpu.cfs_quota_us`) ? 'no cpu controller' : undefined);

/** A directory on a disk, not in memory, where the project is; removed with the test. */
export function diskDirectory(): string {
  const directory = mkdtempSync(join(project, 'node_modules/.kernel-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/**
 * A copy of Node that no memory holds yet: its pages are charged to who runs it first, as on a fresh machine, and not
 * to whoever ran Node here before.
 */
export function coldNode(): string {
  const path = join(diskDirectory(), 'node');
  execFileSync('dd', [
    `if=${process.execPath}`,
    `of=${path}`,
    'bs=1M',
    'conv=fsync',
    'oflag=nocache',
    'status=none',
  ]);
  execFileSync('dd', [`if=${path}`, 'of=/dev/null', 'iflag=nocache', 'count=0', 'status=none']);
  chmodSync(path, 0o755);
  return path;
}
