import { type Burst, type Outcome, runBurst, SHED_RATIO } from '../support/burst-run.ts';
import { median, quantile, table } from '../support/numbers.ts';
import type { Setting } from '../support/programs.ts';

const MIB = 2 ** 20;
const RATES = [
  ['50 MB/s', 50e6],
  ['500 MB/s', 500e6],
  ['flat out', 0],
] as const;
const HALF: Omit<Burst, 'bytesPerSecond'> = {
  limitBytes: 512 * MIB,
  rest: 0.5,
  processes: 1,
  pollers: [1000, 30_000],
};
const WATCHERS = ['spillway', 'polling 1 s', 'polling 30 s'] as const;
const RUNS = 20;

/** Flat out: from where, against what, by how many. */
interface Matrix {
  rests: readonly number[];
  limitsMiB: readonly number[];
  processes: readonly number[];
  runs: number;
}
const SOME: Matrix = { rests: [0.2, 0.7], limitsMiB: [256, 2048], processes: [1, 4], runs: 5 };
const FULL: Matrix = {
  rests: [0.05, 0.2, 0.5, 0.7],
  limitsMiB: [256, 512, 2048, 8192],
  processes: [1, 4],
  runs: 10,
};

export interface BurstSetting extends Setting {
  /** Every rest, limit and number of processes, and not a few of them. */
  full?: boolean;
}

/** Growth at three rates beside guards that poll, then flat out from other rests, in other containers, by more processes. */
export async function burst(setting: BurstSetting): Promise<void> {
  await rates(setting);
  await matrix(setting, setting.full ? FULL : SOME);
}

async function rates(setting: Setting): Promise<void> {
  const rows = [['growth', 'watcher', ...ANSWERED]];
  for (const [name, bytesPerSecond] of RATES) {
    const outcomes = await repeat(setting, { ...HALF, bytesPerSecond }, setting.runs ?? RUNS);
    WATCHERS.forEach((watcher, index) => {
      rows.push([name, watcher, ...answered(outcomes, index)]);
    });
  }
  const { limitBytes } = HALF;
  table(`A burst against ${limitBytes / MIB} MiB, from rest at half of it; shed ratio ${SHED_RATIO}`, rows);
}

async function matrix(setting: Setting, { rests, limitsMiB, processes, runs }: Matrix): Promise<void> {
  const rows = [['limit', 'from rest at', 'processes', ...ANSWERED]];
  for (const limitMiB of limitsMiB)
    for (const rest of rests)
      for (const count of processes) {
        const one: Burst = {
          ...{ limitBytes: limitMiB * MIB, rest, processes: count },
          ...{ bytesPerSecond: 0, pollers: [] },
        };
        const outcomes = await repeat(setting, one, setting.runs ?? runs);
        rows.push([`${limitMiB} MiB`, `${100 * rest} %`, `${count}`, ...answered(outcomes, 0)]);
      }
  table('Flat out, watched by spillway', rows);
}

async function repeat(setting: Setting, one: Burst, runs: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  while (outcomes.length < runs) outcomes.push(await runBurst(setting, one));
  return outcomes;
}

const ANSWERED = ['503 before the kill', 'crossing → 503 p50', 'p99', 'most', 'crossing → kill p50'];

function answered(outcomes: readonly Outcome[], watcher: number): string[] {
  const times = outcomes.flatMap(({ answeredMs }) => answeredMs[watcher] ?? []);
  const ms = (value: number) => (times.length > 0 ? `${value.toFixed(1)} ms` : '–');
  return [
    `${times.length} of ${outcomes.length}`,
    ...[ms(median(times)), ms(quantile(times, 0.99)), ms(Math.max(...times))],
    `${median(outcomes.map(({ leftMs }) => leftMs)).toFixed(0)} ms`,
  ];
}
