import { describe, expect, it } from 'vitest';
import type { Constraint } from '../../../../src/core/model/constraint.ts';
import { ConstraintForecasts, NO_FORECAST } from '../../../../src/core/pressure/constraint-forecasts.ts';

const constraint = (name: string, used: number, limit: number): Constraint => ({
  ...{ name, used, limit, unit: 'ratio', source: 'a test', helps: new Set() },
});

/** Samples each 50 ms for so long of what `at` says. */
function follow(seconds: number, at: (second: number) => Constraint[]): ConstraintForecasts {
  const forecasts = new ConstraintForecasts();
  for (let ms = 0; ms <= seconds * 1000; ms += 50) {
    forecasts.add(at(ms / 1000), ms);
    forecasts.assess(at(ms / 1000), ms);
  }
  return forecasts;
}

describe('a constraint beside memory', () => {
  it.each([
    ['a ratio', 1],
    ['a queue of 40 slots', 40],
    ['bytes of a cache', 24 * 1024 ** 3],
  ])('is forecast in its own unit: %s', (_, limit) => {
    const { growthPerSecond, secondsToLimit } = follow(40, (second) => [
      constraint('cache', limit * (0.2 + 0.01 * second), limit),
    ]).of('cache');
    expect(growthPerSecond).toBeCloseTo(0.01 * limit, -Math.log10(limit / 500));
    expect(secondsToLimit).toBeGreaterThan(36);
    expect(secondsToLimit).toBeLessThan(44);
  });

  it('is not foreseen to end while it rests', () => {
    const { growthPerSecond, secondsToLimit } = follow(40, () => [constraint('cache', 0.9, 1)]).of('cache');
    expect({ growthPerSecond, secondsToLimit }).toEqual({ growthPerSecond: 0, secondsToLimit: null });
  });

  it('is followed apart from others, and forgotten when it is absent', () => {
    const forecasts = follow(40, (second) => [
      constraint('rising', 0.2 + 0.01 * second, 1),
      ...(second < 39 ? [constraint('gone', 0.2 + 0.01 * second, 1)] : []),
    ]);
    expect(forecasts.of('rising').secondsToLimit).not.toBeNull();
    expect(forecasts.of('gone')).toEqual(NO_FORECAST);
    forecasts.reset();
    expect(forecasts.of('rising')).toEqual(NO_FORECAST);
  });
});
