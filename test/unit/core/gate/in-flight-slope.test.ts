import { describe, expect, it } from 'vitest';
import { InFlightSlope } from '../../../../src/core/pressure/gate/in-flight-slope.ts';

const MB = 1e6;

function slopeOf(samples: readonly (readonly [inFlight: number, usedBytes: number])[]): number {
  const slope = new InFlightSlope();
  for (const [i, [inFlight, usedBytes]] of samples.entries())
    slope.add({ atMs: 1000 * i, usedBytes, inFlight });
  return slope.bytes / MB;
}

describe('what one more request in flight holds', () => {
  it('follows from use with fewer in flight', () => {
    expect(
      slopeOf([
        [2, 50 * MB],
        [40, 88 * MB],
        [102, 150 * MB],
      ]),
    ).toBeCloseTo(1);
  });

  it('is unknown where as many were in flight all the time, or few are', () => {
    expect(
      slopeOf([
        [100, 50 * MB],
        [110, 90 * MB],
        [120, 150 * MB],
      ]),
    ).toBe(0);
    expect(
      slopeOf([
        [1, 50 * MB],
        [9, 150 * MB],
      ]),
    ).toBe(0);
    expect(slopeOf([])).toBe(0);
  });

  it('leaves out what is kept for good: by the least of all moments', () => {
    expect(
      slopeOf([
        [2, 50 * MB],
        [2, 350 * MB],
        [52, 400 * MB],
      ]),
    ).toBeCloseTo(1);
  });

  it('goes by the low of each second, as a collection leaves it', () => {
    const slope = new InFlightSlope();
    slope.add({ atMs: 0, usedBytes: 50 * MB, inFlight: 0 });
    for (const [atMs, used] of [
      [1000, 180],
      [1300, 100],
      [1600, 170],
    ] as const)
      slope.add({ atMs, usedBytes: used * MB, inFlight: 50 });
    expect(slope.bytes / MB).toBeCloseTo(1);
  });

  it('stays while nothing can be compared, by the median', () => {
    const rush = [
      [2, 50],
      [100, 150],
      [100, 250],
      [100, 130],
      [60, 90],
      [60, 90],
    ] as const;
    expect(slopeOf(rush.map(([inFlight, mb]) => [inFlight, mb * MB]))).toBeCloseTo(1, 0);
  });

  it('forgets what was half a minute before, and what followed from it half a minute later', () => {
    const slope = new InFlightSlope();
    slope.add({ atMs: 0, usedBytes: 50 * MB, inFlight: 0 });
    for (let atMs = 1000; atMs <= 80_000; atMs += 1000)
      slope.add({ atMs, usedBytes: 100 * MB, inFlight: 50 });
    expect(slope.bytes).toBe(0);
  });
});
