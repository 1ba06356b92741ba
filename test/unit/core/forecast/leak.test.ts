import { describe, expect, it } from 'vitest';
import { type LeakEvidence, leakEnded, suspectLeak } from '../../../../src/core/forecast/leak.ts';
import { MIB } from '../../../support/memory-stories.ts';

/** Points every `step` seconds, values from the index. */
function points(count: number, step: number, value: (i: number) => number) {
  return {
    times: Float64Array.from({ length: count }, (_, i) => i * step * 1000),
    values: Float64Array.from({ length: count }, (_, i) => value(i)),
  };
}
const none = points(0, 1, () => 0);

/** Floors that rise 5 MiB every 5 s under falls of 40 MiB, and even load. */
function leaking(changes: Partial<LeakEvidence> = {}): LeakEvidence {
  return {
    floors: points(15, 5, (i) => (60 + 5 * i) * MIB),
    largestDropBytes: 40 * MIB,
    minima: none,
    load: points(70, 1, () => 0.4),
    limitBytes: 512 * MIB,
    ...changes,
  };
}

describe('suspectLeak', () => {
  it('tells floor then and now, span and slope', () => {
    const facts = suspectLeak(leaking())!;
    expect(facts).toMatchObject({ spanSeconds: 70 });
    expect(facts.bytesPerSecond).toBeCloseTo(MIB);
    expect(facts.floorThenBytes).toBeLessThan(80 * MIB);
    expect(facts.floorNowBytes).toBeGreaterThan(115 * MIB);
  });

  it.each<[string, Partial<LeakEvidence>]>([
    ['the span is short', { floors: points(11, 5, (i) => (60 + 5 * i) * MIB) }],
    ['the rise is small against the limit', { limitBytes: 4096 * MIB }],
    ['the rise is below 8 MiB', { floors: points(15, 5, (i) => (60 + i / 2) * MIB), limitBytes: 64 * MIB }],
    ['collections are too small to be full ones', { largestDropBytes: 6 * MIB }],
    ['the floor has stopped rising', { floors: points(15, 5, (i) => (60 + 5 * Math.min(i, 10)) * MIB) }],
    ['it was one step', { floors: points(15, 5, (i) => (i < 8 ? 60 : 160) * MIB) }],
    ['load rises alongside', { load: points(70, 1, (i) => 0.4 * (1 + i / 70)) }],
  ])('suspects nothing when %s', (_, changes) => {
    expect(suspectLeak(leaking(changes))).toBeNull();
  });

  it('holds a small rise of load against a large one of memory for its cost, not its cause', () => {
    const floors = points(15, 5, (i) => (40 + 10 * i) * MIB);
    const facts = suspectLeak(leaking({ floors, load: points(70, 1, (i) => 0.4 * (1 + (0.4 * i) / 70)) }));
    expect(facts).not.toBeNull();
  });

  it('judges by memory alone when load is not known', () => {
    expect(suspectLeak(leaking({ load: none }))).not.toBeNull();
  });

  it('takes a change of load below a fiftieth of a core for noise', () => {
    const load = points(70, 1, (i) => (i < 35 ? 0.01 : 0.025));
    expect(suspectLeak(leaking({ load }))).not.toBeNull();
  });

  it('without collections asks for two minutes and a tenth of the limit', () => {
    const rising = (count: number) =>
      leaking({ floors: none, largestDropBytes: 0, minima: points(count, 10, (i) => (60 + 10 * i) * MIB) });
    expect(suspectLeak(rising(12))).toBeNull();
    expect(suspectLeak(rising(13))).toMatchObject({ spanSeconds: 120 });
    expect(suspectLeak({ ...rising(13), limitBytes: 2048 * MIB })).toBeNull();
  });
});

describe('leakEnded', () => {
  it('when half of the rise has been given back', () => {
    const facts = suspectLeak(leaking())!;
    const middle = (facts.floorThenBytes + facts.floorNowBytes) / 2;
    expect([middle + MIB, middle].map((floor) => leakEnded(facts, floor))).toEqual([false, true]);
  });
});
