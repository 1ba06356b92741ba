import type { ProbeAnswer } from './balancer.ts';
import type { Life } from './replica.ts';

/** From, to, in milliseconds. */
export type Interval = readonly [fromMs: number, toMs: number];

/** When a replica could not serve, within the interval: un-ready by the balancer's last probe, or without a process that listens. */
export function downtime(
  probes: readonly ProbeAnswer[],
  lives: readonly Life[],
  [fromMs, toMs]: Interval,
): Interval[] {
  const unready = probes.flatMap((probe, i): Interval[] =>
    probe.ready ? [] : [[probe.answeredMs, probes[i + 1]?.answeredMs ?? toMs]],
  );
  const dead = lives.flatMap(({ diedMs }, i): Interval[] =>
    diedMs === undefined ? [] : [[diedMs, lives[i + 1]?.listeningMs ?? toMs]],
  );
  return merged([...unready, ...dead].map(([a, b]) => [Math.max(a, fromMs), Math.min(b, toMs)]));
}

/** The same time in intervals that do not touch, in order. */
export function merged(intervals: readonly Interval[]): Interval[] {
  const out: Interval[] = [];
  for (const [fromMs, toMs] of intervals.toSorted(([a], [b]) => a - b)) {
    const last = out.at(-1);
    if (toMs <= fromMs) continue;
    if (last && fromMs <= last[1]) out.splice(-1, 1, [last[0], Math.max(last[1], toMs)]);
    else out.push([fromMs, toMs]);
  }
  return out;
}

/** The time that is in both. */
export function overlap(some: readonly Interval[], others: readonly Interval[]): Interval[] {
  return merged(some.flatMap(([a, b]) => others.map(([c, d]): Interval => [Math.max(a, c), Math.min(b, d)])));
}

export const lengthMs = (intervals: readonly Interval[]): number =>
  intervals.reduce((sum, [fromMs, toMs]) => sum + toMs - fromMs, 0);
