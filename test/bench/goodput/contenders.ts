import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HOOK_FILES } from '../../../src/core/model/hook-files.ts';
import { program } from '../support/programs.ts';
import type { Group } from './groups.ts';
import type { Load } from './load.ts';

/** One way to run an agent under a memory limit. */
export interface Contender {
  /** What runs in a cgroup with the limit, made for it; or outside, when it makes the group by itself. */
  command: string[];
  insideGroup: boolean;
  /** A guard in a process of its own beside the agent, with a limit of its own where it is a container of the pod. */
  beside?: { command: string[]; limitBytes?: number };
  /** What the balancer asks. The first is the guard where there is one. */
  probeUrls: string[];
}

export interface ContenderFacts {
  node: string;
  dist: string;
  load: Load;
  guardPort: number;
  agentPort: number;
  world: string;
  /** The agent's own group; made when it is asked for. */
  group(): Group;
}

const MIB = 2 ** 20;
/** Where the guards shed. */
export const SHED_RATIO = 0.85;
/** The usual advice: leave a quarter of the container to what is not heap. */
const HEAP_SHARE = 0.75;
const THRESHOLD_POLL_MS = 1000;
/** As the injector sets it. */
const SIDECAR_LIMIT_BYTES = 128 * MIB;

type Start = (facts: ContenderFacts) => Contender;

/** The alternatives first: Spillway is judged against the best of them. */
export const CONTENDERS = {
  none: (facts) => bare(facts),
  heap: (facts) =>
    bare(facts, { flags: [`--max-old-space-size=${Math.floor(HEAP_SHARE * facts.load.limitMiB)}`] }),
  threshold: (facts) => polled(facts),
  rss: (facts) => bare(facts, { server: 'managed' }),
  pressure: (facts) => bare(facts, { server: 'fastify' }),
  wrap: (facts) => wrapped(facts, []),
  recycle: (facts) => wrapped(facts, ['--recycle', 'on']),
  sidecar: (facts) => beside(facts, []),
  ungated: (facts) => beside(facts, ['--gate', 'off']),
} satisfies Record<string, Start>;

export type ContenderName = keyof typeof CONTENDERS;

/** In the tables. */
export const LABELS: Readonly<Record<ContenderName, string>> = {
  none: 'no guard',
  heap: 'old space 75 %',
  threshold: '503 at 0.85, 1 s',
  rss: 'RSS manager',
  pressure: 'under-pressure',
  wrap: 'wrap mode',
  recycle: 'wrap, recycle on',
  sidecar: 'sidecar',
  ungated: 'sidecar, no gate',
};

export const RIVALS: readonly ContenderName[] = ['none', 'heap', 'threshold', 'rss', 'pressure'];
/** Measured only when named. */
const BY_NAME: readonly ContenderName[] = ['recycle'];

/**
 * Those named, in the order of the tables; without names, those that are measured by default and that this build knows.
 * @throws Error for an unknown name
 */
export function contendersOf(names: readonly string[] | undefined, build: { node: string; dist: string }) {
  const all = Object.keys(CONTENDERS) as ContenderName[];
  if (names) return chosen(all, names);
  const text = execFileSync(build.node, [join(build.dist, 'spillway.js'), 'guard', '--help'], {
    encoding: 'utf8',
  });
  return all.filter((name) => !BY_NAME.includes(name) && (name !== 'ungated' || text.includes('--gate ')));
}

/** @throws Error for a name that is not among them */
export function chosen<Name extends string>(all: readonly Name[], wanted: readonly string[]): Name[] {
  const unknown = wanted.filter((name) => !all.some((each) => each === name));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: not among ${all.join(', ')}`);
  return all.filter((name) => wanted.includes(name));
}

const readyz = (port: number) => `http://127.0.0.1:${port}/readyz`;
const healthz = (port: number) => `http://127.0.0.1:${port}/healthz`;

interface AgentWays {
  flags?: string[];
  server?: 'managed' | 'fastify';
}

function agentCommand(
  { node, load, agentPort, world }: ContenderFacts,
  { flags = [], server }: AgentWays = {},
): string[] {
  const options = { ...load.options, server, limitBytes: load.limitMiB * MIB };
  const own = load.nodeFlags ?? [];
  // the last of two heap limits counts
  return [node, ...own, ...flags, program(load.agent), `${agentPort}`, world, JSON.stringify(options)];
}

const bare = (facts: ContenderFacts, ways: AgentWays = {}): Contender => ({
  command: agentCommand(facts, ways),
  insideGroup: true,
  probeUrls: [healthz(facts.agentPort)],
});

function polled(facts: ContenderFacts): Contender {
  const { directory, version } = facts.group();
  const limit = `${facts.load.limitMiB * MIB}`;
  const look = [directory, `${version}`, limit, `${SHED_RATIO}`, `${THRESHOLD_POLL_MS}`, '0'];
  return {
    ...bare(facts),
    beside: { command: [facts.node, program('polling-guard'), ...look, `${facts.guardPort}`] },
    probeUrls: [readyz(facts.guardPort), healthz(facts.agentPort)],
  };
}

const wrapped = (facts: ContenderFacts, options: string[]): Contender => ({
  command: [
    facts.node,
    join(facts.dist, 'spillway.js'),
    'run',
    ...['--limit', `${facts.load.limitMiB}Mi`, '--listen', `127.0.0.1:${facts.guardPort}`],
    ...['--admin-listen', '127.0.0.1:0', '--restart', 'always', '--log-level', 'warn', ...options],
    '--',
    ...agentCommand(facts),
  ],
  insideGroup: false,
  probeUrls: [readyz(facts.guardPort)],
});

/** As the injector sets it up, with the hook; the agent is restarted by the replica, as by the kubelet. */
function beside(facts: ContenderFacts, options: string[]): Contender {
  const { node, dist, load, agentPort, guardPort } = facts;
  const hookDir = hookDirectory(dist, guardPort);
  return {
    ...bare(facts, { flags: hookDir ? [`--require=${join(hookDir, HOOK_FILES.register)}`] : [] }),
    beside: {
      command: [
        ...[node, join(dist, 'spillway.js'), 'guard', '--agent', `match:${load.agent}.mjs ${agentPort} `],
        ...['--listen', `127.0.0.1:${guardPort}`, '--admin-listen', '127.0.0.1:0'],
        ...['--pod-restart-policy', 'Always', '--log-level', 'warn', ...options],
        ...(hookDir ? ['--hook-dir', hookDir] : []),
      ],
      limitBytes: SIDECAR_LIMIT_BYTES,
    },
    probeUrls: [readyz(guardPort), healthz(agentPort)],
  };
}

/** With the hook's file in it, as the agent may start before its guardian; `undefined` for builds without the hook. */
function hookDirectory(dist: string, guardPort: number): string | undefined {
  const register = join(dist, 'agent', HOOK_FILES.register);
  if (!existsSync(register)) return undefined;
  const directory = join(tmpdir(), `spillway-bench-hook-${guardPort}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  copyFileSync(register, join(directory, HOOK_FILES.register));
  return directory;
}
