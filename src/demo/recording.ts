import { unreclaimableBytes } from '../core/model/reading.ts';
import type { DeathCause, Level } from '../core/model/status.ts';
import type { HistoryReport } from '../core/report/history-report.ts';
import type { PostMortem } from '../core/report/post-mortem.ts';
import type { Conversation } from './load.ts';
import type { Replica } from './replica.ts';
import type { Users } from './users.ts';
import type { WrappedAgent } from './wrapped-agent.ts';

/** Readings closer than this to the last one add nothing to a picture, unless the level differs. */
const APART_SECONDS = 0.1;
/** A shell's exit status of a command that a signal ended is this plus the number of the signal. */
const SIGNALLED = 128;
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGABRT: 6, SIGKILL: 9, SIGTERM: 15 };

/** The same load on an agent alone and on a guarded one, as a picture needs it. Times are seconds from the first user. */
export interface DemoRun {
  node: string;
  platform: string;
  /** The load was drawn with it. */
  seed: number;
  offered: Offered;
  seconds: number;
  unguarded: ReplicaRun;
  guarded: ReplicaRun;
}

export interface Offered {
  conversations: number;
  requests: number;
  /** Users that arrive in each second. */
  arrivals: number[];
}

export interface ReplicaRun {
  command: string;
  limitBytes: number;
  thresholds: HistoryReport['thresholds'];
  requests: { served: number; failed: number };
  /** `elsewhere`: the balancer sent them to other replicas. */
  conversations: { completed: number; lost: number; elsewhere: number };
  restarts: number;
  deaths: { seconds: number; cause: DeathCause; exitStatus: number | null }[];
  transitions: { seconds: number; from: Level; to: Level }[];
  /** `[seconds, what the balancer's probe got, conversations]`, wherever one of the two differs from before. */
  probes: [seconds: number, answer: number | 'down', conversations: number][];
  /** `[seconds, unreclaimable bytes]`, as the guardian read them. */
  readings: [seconds: number, heldBytes: number][];
}

/** What is recorded of a replica. */
export interface Recorded extends Pick<Replica, 'changes'> {
  agent: Pick<WrappedAgent, 'command' | 'history' | 'postMortems'>;
  users: Pick<Users, 'served' | 'failed' | 'completed' | 'lost' | 'elsewhere'>;
}

/** How often it was killed by its limit; other ends are those of a recycle. */
export function killsOf({ deaths }: Pick<ReplicaRun, 'deaths'>): number {
  return deaths.filter(({ cause }) => cause === 'oom-killed' || cause === 'heap-limit').length;
}

/** What one replica made of the load, once its users are done. */
export async function recordReplica(
  { agent, users, changes }: Recorded,
  startWallMs: number,
): Promise<ReplicaRun> {
  const [history, postMortems] = await Promise.all([agent.history(), agent.postMortems()]);
  const at = (iso: string) => toSeconds(Date.parse(iso) - startWallMs);
  const { served, failed, completed, lost, elsewhere } = users;
  const { thresholds } = history;
  const readings = thinned(history, at);
  const deaths = postMortems.map((report) => ({
    seconds: at(report.at),
    cause: report.cause,
    exitStatus: exitStatus(report),
  }));
  return {
    command: agent.command,
    limitBytes: history.readings.at(-1)?.limitBytes ?? 0,
    thresholds: { ...thresholds },
    requests: { served, failed },
    conversations: { completed, lost, elsewhere },
    restarts: deaths.filter(({ seconds }) => readings.some(([later]) => later > seconds)).length,
    deaths,
    transitions: history.transitions
      .map(({ at: iso, from, to }) => ({ seconds: at(iso), from, to }))
      .filter(({ seconds }) => seconds >= 0),
    probes: changes.map(({ atMs, answer, conversations }) => [toSeconds(atMs), answer, conversations]),
    readings,
  };
}

/** What the shell of a container shows: 137 after an OOM kill. */
export function exitStatus({ exitCode, signal }: Pick<PostMortem, 'exitCode' | 'signal'>): number | null {
  const number = SIGNAL_NUMBERS[signal ?? ''];
  return exitCode ?? (number === undefined ? null : SIGNALLED + number);
}

export function offeredBy(load: readonly Conversation[]): Offered {
  const arrivals: number[] = [];
  for (const { atMs } of load) {
    const second = Math.floor(atMs / 1000);
    while (arrivals.length <= second) arrivals.push(0);
    arrivals[second] = (arrivals[second] ?? 0) + 1;
  }
  const requests = load.reduce((sum, { turns }) => sum + turns.length, 0);
  return { conversations: load.length, requests, arrivals };
}

/** As JSON, one reading a line. */
export function render(run: DemoRun): string {
  return JSON.stringify(run, null, 2).replace(
    /([[{])\s+([^[\]{}]*?)\s+([\]}])/g,
    (_, open: string, inner: string, close: string) => {
      const space = open === '{' ? ' ' : '';
      return `${open}${space}${inner.replace(/\n\s+/g, ' ')}${space}${close}`;
    },
  );
}

function thinned({ readings }: HistoryReport, at: (iso: string) => number): ReplicaRun['readings'] {
  const kept: ReplicaRun['readings'] = [];
  let level: Level | undefined;
  for (const reading of readings) {
    const seconds = at(reading.at);
    const last = kept.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
    if (seconds < 0 || (reading.level === level && seconds - last < APART_SECONDS)) continue;
    level = reading.level;
    kept.push([seconds, unreclaimableBytes(reading)]);
  }
  return kept;
}

function toSeconds(ms: number): number {
  return Math.round(ms) / 1000;
}
