import { GC_VERDICTS } from '../model/gc-record.ts';
import { LEVELS } from '../model/status.ts';
import type { RecycleResult } from '../recycle/outcome.ts';

/** Upper bounds of the histograms' buckets, in seconds: a reading takes some 5 µs, the interval is 5 ms to 1 s. */
export const BUCKETS = {
  spillway_tick_duration_seconds: [
    2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.5, 1,
  ],
  spillway_sample_interval_seconds: [
    0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1, 0.25, 0.5, 1, 5,
  ],
  spillway_gc_stall_seconds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
} as const;

const RECYCLE_RESULTS: Record<RecycleResult, true> = {
  ended: true,
  ended_before: true,
  left_running: true,
  refused: true,
  cancelled: true,
};

/** Label values that are known beforehand: such a series starts at 0, so that its first count is seen as a rise. */
export const KNOWN_LABELS = {
  spillway_level_transitions_total: LEVELS.flatMap((from) =>
    LEVELS.filter((to) => to !== from).map((to) => ({ from, to })),
  ),
  spillway_admissions_total: [{ result: 'admitted' }, { result: 'refused' }],
  spillway_gc_runs_total: GC_VERDICTS.map((result) => ({ result })),
  spillway_recycles_total: Object.keys(RECYCLE_RESULTS).map((result) => ({ result })),
} as const;
