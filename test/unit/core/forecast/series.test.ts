import { describe, expect, it } from 'vitest';
import { Series, Windows } from '../../../../src/core/forecast/series.ts';

describe('Series', () => {
  it('keeps the latest points in order, and drops the oldest', () => {
    const series = new Series(3);
    for (const i of [1, 2, 3, 4, 5]) series.push(i * 10, i);
    expect([...series.slice().times]).toEqual([30, 40, 50]);
    expect([...series.slice(1).values]).toEqual([4, 5]);
    expect(series.length).toBe(3);
  });

  it('finds the first point at or after a time', () => {
    const series = Series.from({ times: Float64Array.of(10, 20, 30), values: Float64Array.of(1, 2, 3) });
    expect([5, 10, 11, 30, 31].map((time) => series.firstSince(time))).toEqual([0, 0, 1, 2, 3]);
  });

  it('answers NaN outside, and nothing after clear', () => {
    const series = new Series(2);
    expect(series.time(0)).toBeNaN();
    series.push(1, 1);
    expect(series.value(-1)).toBeNaN();
    series.clear();
    expect(series.value(0)).toBeNaN();
    expect(series.slice().times).toHaveLength(0);
  });

  it('replaces the last point', () => {
    const series = new Series(2);
    for (const i of [1, 2, 3]) series.push(i, i);
    series.replaceLast(9, 9);
    expect([...series.slice().values]).toEqual([2, 9]);
  });
});

describe('Windows', () => {
  it('keeps lowest and highest of each window with their moments, and skips empty windows', () => {
    const windows = new Windows(100, 10);
    const closed = [
      [0, 5],
      [50, 2],
      [99, 7],
      [420, 1],
      [500, 9],
    ].map(([at, value]) => windows.add(at as number, value as number));
    expect(closed).toEqual([false, false, false, true, true]);
    expect(windows.minima.slice()).toEqual({
      times: Float64Array.of(50, 420),
      values: Float64Array.of(2, 1),
    });
    expect(windows.maxima.slice()).toEqual({
      times: Float64Array.of(99, 420),
      values: Float64Array.of(7, 1),
    });
  });
});
