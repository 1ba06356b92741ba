import { join } from 'node:path';
import { program } from './programs.ts';

/** One way to run an agent under a memory limit. */
export interface Contender {
  /** What runs in a cgroup with the limit, made for it; or outside, when it makes the group by itself. */
  command: string[];
  insideGroup: boolean;
  /** A polling guard beside it, answering `/readyz` from the same group. */
  pollMs?: number;
  /** What the balancer asks, by the guard's port and the agent's. The first is the guard where there is one. */
  probes(guardPort: number, agentPort: number): string[];
}

export interface ContenderFacts {
  node: string;
  dist: string;
  limitBytes: number;
  guardPort: number;
  agentPort: number;
  world: string;
  /** Program of the agent, without `.mjs`, and what its image gives to node. */
  agent: string;
  nodeFlags: readonly string[];
}

/** The usual advice: leave a quarter of the container to what is not heap. */
const HEAP_SHARE = 0.75;
const THRESHOLD_POLL_MS = 1000;

/** The guards without help first: the others are judged against the best of them. */
export const CONTENDERS = {
  none: (facts: ContenderFacts) => bare(facts, []),
  heap: (facts: ContenderFacts) =>
    bare(facts, [`--max-old-space-size=${Math.floor((HEAP_SHARE * facts.limitBytes) / 2 ** 20)}`]),
  threshold: (facts: ContenderFacts): Contender => ({
    ...bare(facts, []),
    pollMs: THRESHOLD_POLL_MS,
    probes: (guardPort, agentPort) => [readyz(guardPort), healthz(agentPort)],
  }),
  spillway: (facts: ContenderFacts) => wrapped(facts, []),
  recycle: (facts: ContenderFacts) => wrapped(facts, ['--recycle', 'on']),
} satisfies Record<string, (facts: ContenderFacts) => Contender>;

/** In the tables. */
export const LABELS: Readonly<Record<ContenderName, string>> = {
  none: 'no guard',
  heap: 'old space 75 %',
  threshold: '503 at 0.85, 1 s',
  spillway: 'spillway',
  recycle: 'spillway, recycle on',
};

export type ContenderName = keyof typeof CONTENDERS;
export const RIVALS: readonly ContenderName[] = ['none', 'heap', 'threshold'];

const readyz = (port: number) => `http://127.0.0.1:${port}/readyz`;
const healthz = (port: number) => `http://127.0.0.1:${port}/healthz`;

const agentCommand = ({ node, nodeFlags, agent, agentPort, world }: ContenderFacts, flags: string[]) => [
  node,
  ...nodeFlags,
  ...flags, // the last of two heap limits counts
  program(agent),
  `${agentPort}`,
  world,
];

const bare = (facts: ContenderFacts, flags: string[]): Contender => ({
  command: agentCommand(facts, flags),
  insideGroup: true,
  probes: (_guardPort, agentPort) => [healthz(agentPort)],
});

const wrapped = (facts: ContenderFacts, options: string[]): Contender => ({
  command: [
    facts.node,
    join(facts.dist, 'spillway.js'),
    'run',
    ...['--limit', `${facts.limitBytes}`, '--listen', `127.0.0.1:${facts.guardPort}`],
    ...['--restart', 'always', '--log-level', 'warn', ...options],
    '--',
    ...agentCommand(facts, []),
  ],
  insideGroup: false,
  probes: (guardPort) => [readyz(guardPort)],
});
