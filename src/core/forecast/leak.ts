import { at, type Points, Series } from './series.ts';
import { leastSquares, mannKendall, median } from './statistics.ts';

const MIB = 1024 ** 2;

/** What the verdict rests on; enough for a sentence. */
export interface LeakFacts {
  /** Floor at the beginning and at the end of the span, in bytes. */
  floorThenBytes: number;
  floorNowBytes: number;
  spanSeconds: number;
  bytesPerSecond: number;
}

/** An episode keeps the facts it began with, until it ends. */
export type LeakVerdict = { suspected: false } | ({ suspected: true } & LeakFacts);

/** What is known about the agent's memory over one span. */
export interface LeakEvidence {
  /** Floors after collections, oldest first (ms, bytes). */
  floors: Points;
  /** Largest fall among them, in bytes. */
  largestDropBytes: number;
  /** Lowest memory in each window of 10 s, oldest first (ms, bytes). */
  minima: Points;
  /** CPU use of the agent (ms, cores). */
  load: Points;
  limitBytes: number;
}

/** Where collections were seen, floors speak soon: a minute, a small rise. */
const COLLECTED = { seconds: 60, share: 0.03, bytes: 8 * MIB, points: 4 };
/** Where none was seen, all may be garbage yet: two minutes and a tenth of the limit. */
const UNCOLLECTED = { seconds: 120, share: 0.1, bytes: 8 * MIB, points: 10 };
/** A rise of more than this many of its largest falls has met no full collection: those were minor ones. */
const FULL_COLLECTION = 6;
/** Standard deviations of Mann-Kendall's S: by chance in one series out of 4,300, for a test made all day long. */
const SIGNIFICANCE = 3.5;
/** Few points cannot reach that; they must lie on a line: a slope of this many of its 95 % margins (p < 0.0005). */
const LINE_MARGINS = 8;
/** From each quarter to the next, memory must rise at this share of the overall pace: neither a step nor a curve that flattens out does. */
const STEADY = 2 / 3;
/** Load that rose by more than this, and by a third of what the floor did, explains it. */
const LOAD_SHARE = 0.25;
const LOAD_PART = 1 / 3;
/** Below this many cores a change of load is noise. */
const LOAD_CORES = 0.02;
/** An episode ends when this share of the rise has been returned. */
const FALLEN_BACK = 0.5;

/**
 * Whether the floor after collections keeps rising while load does not.
 * @returns the facts, or `null` when there is nothing to suspect
 */
export function suspectLeak(evidence: LeakEvidence): LeakFacts | null {
  return rising(evidence, evidence.floors, COLLECTED) ?? rising(evidence, evidence.minima, UNCOLLECTED);
}

/** Whether an episode is over: the floor has fallen back. Then the judgement starts afresh. */
export function leakEnded(facts: LeakFacts, floorBytes: number): boolean {
  return floorBytes <= facts.floorThenBytes + FALLEN_BACK * (facts.floorNowBytes - facts.floorThenBytes);
}

function rising(
  { largestDropBytes, load, limitBytes }: LeakEvidence,
  points: Points,
  rule: typeof COLLECTED,
): LeakFacts | null {
  const count = points.times.length;
  if (count < rule.points) return null;
  const first = at(points.times, 0);
  const spanSeconds = (at(points.times, count - 1) - first) / 1000;
  if (spanSeconds < rule.seconds) return null;
  const when = quarters(points.times);
  const level = quarters(points.values);
  const pace = (level[3] - level[0]) / (when[3] - when[0]);
  const rise = pace * spanSeconds * 1000;
  if (rise < Math.max(rule.bytes, rule.share * limitBytes)) return null;
  const collected = rule === COLLECTED;
  if (collected === rise > FULL_COLLECTION * largestDropBytes) return null;
  if (!steady(when, level, pace) || !stillRising(points, pace) || !significant(points)) return null;
  const loadChange = changeOfLoad(load, first);
  const explained = Math.max(LOAD_SHARE, (LOAD_PART * rise) / level[0]);
  if (loadChange !== null && loadChange > explained) return null;
  return {
    floorThenBytes: level[0],
    floorNowBytes: level[3],
    spanSeconds,
    bytesPerSecond: pace * 1000,
  };
}

function significant(points: Points): boolean {
  if (mannKendall(points.values) >= SIGNIFICANCE) return true;
  const line = leastSquares(Series.from(points), 0);
  return line !== null && line.slope > LINE_MARGINS * (line.high - line.slope);
}

type Quarters = [number, number, number, number];

function quarters(values: Float64Array): Quarters {
  const cut = (i: number) => Math.round((i * values.length) / 4);
  const of = (i: number) => median(values.subarray(cut(i), cut(i + 1)));
  return [of(0), of(1), of(2), of(3)];
}

const NEXT = [
  [0, 1],
  [1, 2],
  [2, 3],
] as const;

function steady(when: Quarters, level: Quarters, pace: number): boolean {
  const least = STEADY * pace;
  return pace > 0 && NEXT.every(([i, next]) => level[next] - level[i] >= least * (when[next] - when[i]));
}

/** Whether the latest two points still lie above the two before, by half of the pace at least. */
function stillRising({ times, values }: Points, pace: number): boolean {
  const gain = (of: Float64Array) => {
    const [a = 0, b = 0, c = 0, d = 0] = of.subarray(-4);
    return (c + d - a - b) / 2;
  };
  return gain(values) >= 0.5 * pace * gain(times);
}

/** Relative change over the span, from the medians of its first and last third; `null` with fewer than 9 values. */
function changeOfLoad({ times, values }: Points, sinceMs: number): number | null {
  const from = times.findIndex((time) => time >= sinceMs);
  const inSpan = from < 0 ? values.subarray(0, 0) : values.subarray(from);
  const third = Math.floor(inSpan.length / 3);
  if (third < 3) return null;
  const before = median(inSpan.subarray(0, third));
  const after = median(inSpan.subarray(-third));
  if (Math.abs(after - before) < LOAD_CORES) return 0;
  // The thirds' medians stand two thirds of the span apart.
  return (1.5 * (after - before)) / Math.max(before, LOAD_CORES);
}
