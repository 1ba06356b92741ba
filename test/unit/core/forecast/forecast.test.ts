import { describe, expect, it } from 'vitest';
import { forecast } from '../../../../src/core/forecast/forecast.ts';

describe('forecast', () => {
  it('divides headroom by growth, with both bounds', () => {
    const { secondsToLimit, range } = forecast(1000, { slope: 10, low: 8, high: 20 });
    expect(secondsToLimit).toBe(100);
    expect(range?.[0]).toBeCloseTo(49);
    expect(range?.[1]).toBeCloseTo(127.5);
  });

  it('widens by the spread of the peaks that are to meet the limit', () => {
    const range = forecast(1000, { slope: 10, low: 10, high: 10 }, 100).range;
    expect(range?.[0]).toBeCloseTo((0.98 * 804) / 10);
    expect(range?.[1]).toBeCloseTo((1.02 * 1196) / 10);
  });

  it('stays open above where the growth may be none, or may take more than a day', () => {
    expect(forecast(1000, { slope: 10, low: 0, high: 20 }).range?.[1]).toBeNull();
    expect(forecast(1000, { slope: 10, low: 0.001, high: 20 }).range?.[1]).toBeNull();
  });

  it('forecasts nothing without growth or beyond a day', () => {
    for (const growth of [null, { slope: 0, low: 0, high: 0 }, { slope: -1, low: -2, high: -1 }])
      expect(forecast(1000, growth)).toEqual({ secondsToLimit: null, range: null });
    expect(forecast(90_000, { slope: 1, low: 1, high: 1 }).secondsToLimit).toBeNull();
  });

  it('says now when the limit was lowered under the use', () => {
    const { secondsToLimit, range } = forecast(-5, { slope: 1, low: 1, high: 1 });
    expect(secondsToLimit).toBe(0);
    expect(range).toEqual([0, 0]);
  });
});
