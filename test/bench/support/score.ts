import type { Outcome, ProbeAnswer } from './balancer.ts';
import { median } from './numbers.ts';
import type { Life, Sample } from './replica.ts';

/** Where the guards shed. */
export const SHED_RATIO = 0.85;
/** A dip this far below the ratio ends what could have been a warning. */
const DIP = 0.05;
/** A kill counts as foreseeable when memory was above the shed ratio for so long before it. */
const FORESEEN_MS = 250;
/** Connections and memory of a killed process go up to so long before the process does. */
const TEARDOWN_MS = 500;

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
  /** Conversations that were in memory when the agent ended. */
  sessionsLost: number;
  /** Turns from 200 to 503 since whose last 200 memory was never at the shed ratio. */
  falseSheds: number;
  /** Answers of 503 while memory was below the shed ratio: hold time and margin included. */
  below: number;
  longestUnreadyMs: number;
  readyAtEnd: boolean;
  peakRatio: number;
}

export interface Observed {
  outcomes: readonly Outcome[];
  probes: readonly ProbeAnswer[];
  lives: readonly Life[];
  samples: readonly Sample[];
}

export function score({ outcomes, probes, lives, samples }: Observed): Score {
  const count = (result: Outcome['result']) => outcomes.filter((each) => each.result === result).length;
  const deaths = lives.filter((life) => life.diedMs !== undefined);
  const kills = deaths.filter(({ cause }) => cause === 'oom');
  const leads = kills.map(({ diedMs = 0 }) => leadMs(samples, diedMs));
  const sudden = kills
    .filter((_, i) => (leads[i] ?? 0) < FORESEEN_MS)
    .map(({ diedMs = 0 }) => ({
      fromMs: diedMs - TEARDOWN_MS,
      toMs: lives.find(({ listeningMs }) => listeningMs > diedMs)?.listeningMs ?? Infinity,
    }));
  // in flight when it was killed, or sent while nobody listened
  const excused = ({ result, atMs, endedMs }: Outcome) =>
    result === 'broken' && sudden.some(({ fromMs, toMs }) => endedMs >= fromMs && atMs <= toMs);
  const sheds = probes.flatMap((probe, i) => {
    const before = probes[i - 1];
    return probe.guardStatus === 503 && before?.guardStatus === 200 ? [[before, probe] as const] : [];
  });
  return {
    served: count('served'),
    refused: count('refused'),
    broken: count('broken'),
    brokenForeseeable: count('broken') - outcomes.filter(excused).length,
    kills: leads.length,
    leadMs: leads.length > 0 ? Math.min(...leads) : Number.NaN,
    aborts: deaths.filter(({ cause }) => cause === 'abort').length,
    ended: deaths.filter(({ cause }) => cause === 'ended').length,
    restarts: lives.length - 1,
    sessionsLost: deaths.reduce((sum, { sessions }) => sum + sessions.size, 0),
    falseSheds: sheds.filter(
      ([before, probe]) =>
        !limitedByHeap(probe) && peak(samples, before.askedMs, probe.answeredMs) < SHED_RATIO,
    ).length,
    below: probes.filter(
      (probe) =>
        probe.guardStatus === 503 && peak(samples, probe.askedMs - 50, probe.answeredMs) < SHED_RATIO,
    ).length,
    longestUnreadyMs: longestUnready(probes),
    readyAtEnd: probes.at(-1)?.ready ?? false,
    peakRatio: Math.max(...samples.map(({ ratio }) => ratio)),
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
    falseSheds: Math.max(...of('falseSheds')),
    below: median(of('below')),
    longestUnreadyMs: Math.max(...of('longestUnreadyMs')),
    readyAtEnd: scores.every(({ readyAtEnd }) => readyAtEnd),
    peakRatio: median(of('peakRatio')),
  };
}

/** How long memory had been above the shed ratio when the kernel killed, small dips aside. */
function leadMs(samples: readonly Sample[], diedMs: number): number {
  const before = samples.filter(({ atMs }) => atMs < diedMs).toReversed();
  const last = before.findIndex(({ atMs, ratio }) => ratio >= SHED_RATIO && diedMs - atMs < TEARDOWN_MS);
  if (last < 0) return 0;
  let crossedMs = before[last]?.atMs ?? diedMs;
  for (const { atMs, ratio } of before.slice(last)) {
    if (ratio < SHED_RATIO - DIP) break;
    if (ratio >= SHED_RATIO) crossedMs = atMs;
  }
  return (before[last]?.atMs ?? diedMs) - crossedMs;
}

const peak = (samples: readonly Sample[], fromMs: number, toMs: number): number =>
  Math.max(0, ...samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ ratio }) => ratio));

function limitedByHeap({ guardBody }: ProbeAnswer): boolean {
  try {
    return JSON.parse(guardBody).limitedBy === 'heap';
  } catch {
    return false; // not the status object: a guard that knows of no heap
  }
}

function longestUnready(probes: readonly ProbeAnswer[]): number {
  let longest = 0;
  let sinceMs: number | undefined;
  for (const { ready, answeredMs } of probes) {
    if (!ready) sinceMs ??= answeredMs;
    longest = Math.max(longest, answeredMs - (sinceMs ?? answeredMs));
    if (ready) sinceMs = undefined;
  }
  return longest;
}
