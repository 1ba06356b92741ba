import { GrowthTracker } from '../../src/core/forecast/growth-tracker.ts';

export const MIB = 1024 ** 2;

/** Repeatable noise: the same seed tells the same story (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal noise from uniform noise. */
export function normal(uniform: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Height of a saw-tooth of this period at `ms`: rises from 0 to 1 and falls to 0 within 3 % of the period. */
export function tooth(ms: number, periodMs: number): number {
  const phase = (ms % periodMs) / periodMs;
  return phase < 0.97 ? phase / 0.97 : (1 - phase) / 0.03;
}

export interface MemoryStory {
  /** Length of the story. */
  seconds: number;
  /** Memory in bytes at a time in ms. */
  held: (ms: number) => number;
  limitBytes?: number | ((ms: number) => number);
  /** CPU in cores at a time in ms; 0.5 unless told. */
  load?: (ms: number) => number;
  everyMs?: number;
  tracker?: GrowthTracker;
  /** Called every 250 ms with the tracker as it stands. */
  watch?: (ms: number, tracker: GrowthTracker) => void;
}

/** Tells a story to a tracker, sampling as a guardian does, and returns the tracker. */
export function tell(story: MemoryStory): GrowthTracker {
  const { seconds, held, load = () => 0.5, everyMs = 50, tracker = new GrowthTracker(), watch } = story;
  const limit =
    typeof story.limitBytes === 'function'
      ? story.limitBytes
      : () => (story.limitBytes as number) ?? 512 * MIB;
  let nextLoad = 1000;
  let nextWatch = 250;
  for (let ms = 0; ms <= seconds * 1000; ms += everyMs) {
    tracker.add(ms, held(ms), limit(ms));
    if (ms >= nextLoad) {
      tracker.load(ms, load(ms));
      nextLoad += 1000;
    }
    if (ms >= nextWatch) {
      watch?.(ms, tracker);
      nextWatch += 250;
    }
  }
  return tracker;
}

/** Seconds into the story at which a leak is first suspected; `null` when it never is. */
export function leakSuspectedAt(story: MemoryStory): number | null {
  let at: number | null = null;
  tell({
    ...story,
    watch: (ms, tracker) => {
      if (tracker.leak(ms).suspected) at ??= ms / 1000;
    },
  });
  return at;
}
