import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Series } from '../../../../src/core/forecast/series.ts';
import {
  deviation,
  leastSquares,
  mannKendall,
  median,
  theilSen,
} from '../../../../src/core/forecast/statistics.ts';
import { normal, random } from '../../../support/memory-stories.ts';

function line(n: number, slope: number, noise = () => 0) {
  return {
    times: Float64Array.from({ length: n }, (_, i) => i),
    values: Float64Array.from({ length: n }, (_, i) => slope * i + noise()),
  };
}

/** In how many of 500 noisy lines of slope 2 the true slope lies within the bounds. */
function coverage(
  n: number,
  bounds: (points: ReturnType<typeof line>) => { low: number; high: number } | null,
) {
  let held = 0;
  for (let seed = 1; seed <= 500; seed++) {
    const uniform = random(seed);
    const slope = bounds(line(n, 2, () => 3 * normal(uniform)));
    if (slope && slope.low <= 2 && slope.high >= 2) held++;
  }
  return held / 500;
}

describe('leastSquares', () => {
  it('is exact on a line, from any index on', () => {
    const { slope, low, high } = leastSquares(Series.from(line(10, 3)), 4)!;
    expect(slope).toBeCloseTo(3);
    expect(high - low).toBeCloseTo(0);
  });

  it('matches a worked example: 0, 0, 1, 2 has slope 0.7 and standard error √0.03', () => {
    const points = { times: Float64Array.of(0, 1, 2, 3), values: Float64Array.of(0, 0, 1, 2) };
    const { slope, low } = leastSquares(Series.from(points), 0)!;
    expect(slope).toBeCloseTo(0.7);
    expect(slope - low).toBeCloseTo(4.303 * Math.sqrt(0.03));
  });

  it('knows nothing from two points or from one moment', () => {
    expect(leastSquares(Series.from(line(2, 1)), 0)).toBeNull();
    const moment = { times: Float64Array.of(1, 1, 1), values: Float64Array.of(1, 2, 3) };
    expect(leastSquares(Series.from(moment), 0)).toBeNull();
  });

  it.each([4, 8, 20])('bounds hold in 95 of 100 cases with %i points', (n) => {
    expect(coverage(n, (points) => leastSquares(Series.from(points), 0))).toBeGreaterThan(0.92);
  });
});

describe('theilSen', () => {
  it('is exact on a line and deaf to a quarter of wild points', () => {
    const points = line(40, 2);
    for (let i = 0; i < 40; i += 4) points.values[i] = 1e6;
    const { slope } = theilSen(points)!;
    expect(slope).toBeCloseTo(2);
  });

  it.each([6, 12, 60])('bounds hold in 95 of 100 cases with %i points', (n) => {
    expect(coverage(n, theilSen)).toBeGreaterThan(0.92);
  });

  it('widens its bounds where neighbours are alike', () => {
    let inside = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const uniform = random(seed);
      let drift = 0;
      const slope = theilSen(
        line(40, 0, () => {
          drift = 0.5 * drift + normal(uniform);
          return drift;
        }),
      )!;
      if (slope.low <= 0 && slope.high >= 0) inside++;
    }
    expect(inside / 300).toBeGreaterThan(0.9);
  });

  it('moves with the line: a slope added is a slope more', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 4, maxLength: 20 }),
        fc.integer({ min: -50, max: 50 }),
        (values, added) => {
          const times = Float64Array.from(values, (_, i) => i);
          const plain = theilSen({ times, values: Float64Array.from(values) })!;
          const tilted = theilSen({
            times,
            values: Float64Array.from(values, (value, i) => value + added * i),
          })!;
          expect(tilted.slope).toBeCloseTo(plain.slope + added, 6);
          expect(plain.low).toBeLessThanOrEqual(plain.slope);
          expect(plain.high).toBeGreaterThanOrEqual(plain.slope);
        },
      ),
    );
  });

  it('knows nothing from three points', () => {
    expect(theilSen(line(3, 1))).toBeNull();
  });
});

describe('mannKendall', () => {
  it('is the textbook value for a rise without exception: n = 10, S = 45', () => {
    expect(mannKendall(line(10, 1).values)).toBeCloseTo(44 / Math.sqrt(125));
    expect(mannKendall(line(10, -1).values)).toBeCloseTo(-44 / Math.sqrt(125));
  });

  it('is nothing for what does not move', () => {
    expect(mannKendall(line(20, 0).values)).toBe(0);
  });
});

describe('median and deviation', () => {
  it('are the known values', () => {
    expect(median(Float64Array.of(3, 1, 2))).toBe(2);
    expect(median(Float64Array.of(4, 1, 2, 3))).toBe(2.5);
    expect(median(new Float64Array(0))).toBeNaN();
    expect(deviation(Float64Array.of(2, 4, 4, 4, 5, 5, 7, 9))).toBeCloseTo(2.138, 3);
    expect(deviation(Float64Array.of(2))).toBe(0);
  });
});
