import { SHED_RATIO } from './contenders.ts';
import type { Interval } from './downtime.ts';
import type { Life, Sample } from './replica.ts';

/** A dip this far below the ratio ends what could have been a warning. */
const DIP = 0.05;
/** A kill counts as foreseeable when memory was above the shed ratio for so long before it. */
const FORESEEN_MS = 250;
/** Connections and memory of a killed process go up to so long before the process does. */
const TEARDOWN_MS = 500;

/** How long memory had been above the shed ratio when the kernel killed, small dips aside. */
export function leadMs(samples: readonly Sample[], diedMs: number): number {
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

/** From each kill that could not be foreseen until a process listens again. */
export function suddenOutages(replica: { lives: readonly Life[]; samples: readonly Sample[] }): Interval[] {
  return replica.lives.flatMap(({ diedMs, cause }, i): Interval[] => {
    if (diedMs === undefined || cause !== 'oom' || leadMs(replica.samples, diedMs) >= FORESEEN_MS) return [];
    return [[diedMs - TEARDOWN_MS, replica.lives[i + 1]?.listeningMs ?? Infinity]];
  });
}
