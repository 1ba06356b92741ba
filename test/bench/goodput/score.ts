import { median, quantile } from '../support/numbers.ts';
import type { Outcome, ProbeAnswer } from './balancer.ts';
import { SHED_RATIO } from './contenders.ts';
import { downtime, type Interval, lengthMs, overlap } from './downtime.ts';
import { leadMs, suddenOutages } from './kills.ts';
import type { Life, Sample } from './replica.ts';

/** What one contender made of one load. All of them counts, but for the times and the state at the end. */
export interface Score {
  served: number;
  refused: number;
  broken: number;
  /** Broken by anything but a kill that nobody could see coming. */
  brokenForeseeable: number;
  kills: number;
  /** Shortest time above the shed ratio before a kill of the kernel; `NaN` without a kill. */
  leadMs: number;
  aborts: number;
  /** Other ends of the agent: recycled, or ended by itself. */
  ended: number;
  restarts: number;
  /** Conversations that were in memory when an agent ended. */
  sessionsLost: number;
  /** Turns of conversations that another replica served than the turn before, although that had not ended. */
  sessionsMoved: number;
  /** Turns from 200 to 503 since whose last 200 memory was never at the shed ratio. */
  falseSheds: number;
  /** Answers of 503 while memory was below the shed ratio: hold time and margin included. */
  below: number;
  /** Sum over the replicas. */
  unreadyMs: number;
  /** With no replica that could serve. */
  noneReadyMs: number;
  readyAtEnd: boolean;
  peakRatio: number;
  /** Of the requests served. */
  p50Ms: number;
  p99Ms: number;
}

export interface ReplicaObserved {
  probes: readonly ProbeAnswer[];
  lives: readonly Life[];
  samples: readonly Sample[];
}

export interface Observed {
  outcomes: readonly Outcome[];
  replicas: readonly ReplicaObserved[];
  /** From the first request until it is asked whether all is well again. */
  during: Interval;
}

export function score({ outcomes, replicas, during }: Observed): Score {
  const count = (result: Outcome['result']) => outcomes.filter((each) => each.result === result).length;
  const sum = (of: (replica: ReplicaObserved) => number) =>
    replicas.reduce((total, each) => total + of(each), 0);
  const ends =
    (cause: Life['cause']) =>
    ({ lives }: ReplicaObserved) =>
      lives.filter((life) => life.diedMs !== undefined && life.cause === cause);
  const leads = replicas.flatMap((each) =>
    ends('oom')(each).map(({ diedMs = 0 }) => leadMs(each.samples, diedMs)),
  );
  const sudden = replicas.map(suddenOutages);
  // in flight when its replica was killed, or sent while nobody listened
  const excused = ({ result, replica = 0, atMs, endedMs }: Outcome) =>
    result === 'broken' && sudden[replica]?.some(([fromMs, toMs]) => endedMs >= fromMs && atMs <= toMs);
  const down = replicas.map(({ probes, lives }) => downtime(probes, lives, during));
  const latencies = outcomes.flatMap(({ result, atMs, endedMs }) =>
    result === 'served' ? [endedMs - atMs] : [],
  );
  return {
    served: count('served'),
    refused: count('refused'),
    broken: count('broken'),
    brokenForeseeable: count('broken') - outcomes.filter(excused).length,
    kills: leads.length,
    leadMs: leads.length > 0 ? Math.min(...leads) : Number.NaN,
    aborts: sum((each) => ends('abort')(each).length),
    ended: sum((each) => ends('ended')(each).length),
    restarts: sum(({ lives }) => lives.length - 1),
    sessionsLost: sum(({ lives }) =>
      lives.reduce((lost, life) => lost + (life.diedMs === undefined ? 0 : life.sessions.size), 0),
    ),
    sessionsMoved: movedOff(outcomes, replicas),
    falseSheds: sum(falseSheds),
    below: sum(answersBelow),
    unreadyMs: down.reduce((total, each) => total + lengthMs(each), 0),
    noneReadyMs: lengthMs(down.reduce(overlap, [during])),
    readyAtEnd: replicas.every(({ probes }) => probes.at(-1)?.ready),
    peakRatio: Math.max(0, ...replicas.flatMap(({ samples }) => samples.map(({ ratio }) => ratio))),
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** The middle of several runs, number by number; ready at the end only when all were, what is broken is the worst of them. */
export function middle(scores: readonly Score[]): Score {
  const of = (key: Exclude<keyof Score, 'readyAtEnd'>) => scores.map((each) => each[key]);
  return {
    served: median(of('served')),
    refused: median(of('refused')),
    broken: median(of('broken')),
    brokenForeseeable: Math.max(...of('brokenForeseeable')),
    kills: median(of('kills')),
    leadMs: median(of('leadMs').filter((lead) => !Number.isNaN(lead))),
    aborts: median(of('aborts')),
    ended: median(of('ended')),
    restarts: median(of('restarts')),
    sessionsLost: median(of('sessionsLost')),
    sessionsMoved: median(of('sessionsMoved')),
    falseSheds: Math.max(...of('falseSheds')),
    below: median(of('below')),
    unreadyMs: median(of('unreadyMs')),
    noneReadyMs: Math.max(...of('noneReadyMs')),
    readyAtEnd: scores.every(({ readyAtEnd }) => readyAtEnd),
    peakRatio: median(of('peakRatio')),
    p50Ms: median(of('p50Ms')),
    p99Ms: median(of('p99Ms')),
  };
}

function movedOff(outcomes: readonly Outcome[], replicas: readonly ReplicaObserved[]): number {
  const last = new Map<string, Outcome>();
  let moved = 0;
  for (const each of outcomes.filter(({ result }) => result === 'served')) {
    const before = last.get(each.session);
    last.set(each.session, each);
    if (before?.replica === undefined || before.replica === each.replica) continue;
    const ended = replicas[before.replica]?.lives.some(
      ({ diedMs }) => diedMs !== undefined && diedMs >= before.atMs && diedMs <= each.endedMs,
    );
    if (!ended) moved++;
  }
  return moved;
}

function falseSheds({ probes, samples }: ReplicaObserved): number {
  const sheds = probes.flatMap((probe, i) => {
    const before = probes[i - 1];
    return probe.guardStatus === 503 && before?.guardStatus === 200 ? [[before, probe] as const] : [];
  });
  return sheds.filter(
    ([before, probe]) =>
      !limitedByHeap(probe) && peak(samples, before.askedMs, probe.answeredMs) < SHED_RATIO,
  ).length;
}

const answersBelow = ({ probes, samples }: ReplicaObserved): number =>
  probes.filter(
    ({ guardStatus, askedMs, answeredMs }) =>
      guardStatus === 503 && peak(samples, askedMs - 50, answeredMs) < SHED_RATIO,
  ).length;

const peak = (samples: readonly Sample[], fromMs: number, toMs: number): number =>
  Math.max(0, ...samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ ratio }) => ratio));

function limitedByHeap({ guardBody }: ProbeAnswer): boolean {
  try {
    return JSON.parse(guardBody).limitedBy === 'heap';
  } catch {
    return false; // not the status object: a guard that knows of no heap
  }
}
