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
        [30, 50 * MB],
        [68, 88 * MB],
        [130, 150 * MB],
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
        [30, 50 * MB],
        [30, 350 * MB],
        [80, 400 * MB],
      ]),
    ).toBeCloseTo(1);
  });

  it('leaves out what an agent loads as it begins to serve', () => {
    expect(
      slopeOf([
        [0, 50 * MB],
        [40, 250 * MB],
        [40, 250 * MB],
      ]),
    ).toBe(0);
  });

  it('leaves out what is loaded while as many are in flight', () => {
    expect(
      slopeOf([
        [30, 50 * MB],
        [100, 55 * MB],
        [95, 200 * MB],
        [110, 350 * MB],
      ]),
    ).toBeLessThan(0.1);
  });

  it('is less where use stays as fewer are in flight again, once that has been collected', () => {
    const rush = [
      [30, 50],
      [100, 120],
      [100, 120],
    ] as const;
    const falls = (usedMb: number) => [...rush, ...Array.from({ length: 5 }, () => [30, usedMb] as const)];
    const slope = (samples: readonly (readonly [number, number])[]) =>
      slopeOf(samples.map(([inFlight, mb]) => [inFlight, mb * MB]));
    expect(slope(falls(50))).toBeCloseTo(1);
    expect(slope(falls(120).slice(0, 6))).toBeCloseTo(1);
    expect(slope(falls(120))).toBe(0);
  });

  it('goes by the low of each second, as a collection leaves it', () => {
    const slope = new InFlightSlope();
    slope.add({ atMs: 0, usedBytes: 50 * MB, inFlight: 30 });
    for (const [atMs, used] of [
      [1000, 180],
      [1300, 100],
      [1600, 170],
    ] as const)
      slope.add({ atMs, usedBytes: used * MB, inFlight: 80 });
    expect(slope.bytes / MB).toBeCloseTo(1);
  });

  it('stays while nothing can be compared, by the median', () => {
    const rush = [
      [30, 50],
      [130, 150],
      [130, 250],
      [130, 130],
      [90, 110],
      [90, 110],
    ] as const;
    expect(slopeOf(rush.map(([inFlight, mb]) => [inFlight, mb * MB]))).toBeCloseTo(1, 0);
  });

  it('forgets what was half a minute before, and what followed from it half a minute later', () => {
    const slope = new InFlightSlope();
    slope.add({ atMs: 0, usedBytes: 50 * MB, inFlight: 30 });
    const goesOn = (fromMs: number, untilMs: number) => {
      for (let atMs = fromMs; atMs <= untilMs; atMs += 1000)
        slope.add({ atMs, usedBytes: 130 * MB, inFlight: 110 });
    };
    goesOn(1000, 50_000);
    expect(slope.bytes / MB).toBeCloseTo(1);
    goesOn(51_000, 80_000);
    expect(slope.bytes).toBe(0);
  });

  it('forgets it over a pause, too, in which nobody looked', () => {
    const slope = new InFlightSlope();
    for (let atMs = 0; atMs < 30_000; atMs += 1000) slope.add({ atMs, usedBytes: 50 * MB, inFlight: 30 });
    for (let atMs = 600_000; atMs < 605_000; atMs += 1000)
      slope.add({ atMs, usedBytes: 400 * MB, inFlight: 100 });
    expect(slope.bytes).toBe(0);
  });
});

it('does not compare all with all where too few are in flight', () => {
  const slope = new InFlightSlope();
  let reads = 0;
  const looks = 20 * 120;
  for (let i = 0; i < looks; i++)
    slope.add({
      atMs: 50 * i,
      usedBytes: 500,
      get inFlight() {
        reads++;
        return 3 + (i % 40);
      },
    });
  expect(slope.bytes).toBe(0);
  expect(reads / looks).toBeLessThan(100);
});
