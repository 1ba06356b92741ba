import { describe, expect, it } from 'vitest';
import type { Point } from '../../../src/page/model.ts';
import { type Columns, GAP_MS, picture } from '../../../src/page/series.ts';
import { DEFAULT_OPTIONS } from '../../support/options.ts';

const NOW_MS = 1_000_000_000;
const WINDOW_MS = 600_000;
const THRESHOLDS = DEFAULT_OPTIONS;
const QUIET = { growthBytesPerSecond: 0, secondsToLimit: null };

const point = (secondsAgo: number, usedBytes: number, changes: Partial<Point> = {}): Point => ({
  atMs: NOW_MS - secondsAgo * 1000,
  level: 'ok',
  usedBytes,
  reclaimableBytes: 10,
  anonBytes: usedBytes - 20,
  limitBytes: 1000,
  ...changes,
});
const draw = (
  points: Point[],
  outlook: Parameters<typeof picture>[1] = QUIET,
  thresholds: typeof THRESHOLDS | null = THRESHOLDS,
) => picture({ points, thresholds }, outlook, NOW_MS, WINDOW_MS);
const drawn = (values: Columns[keyof Columns]) => values.filter((value) => value !== null);

describe('the picture of memory', () => {
  it('is empty, and has a span, before the first reading', () => {
    const { columns, span, gaps, topBytes, limitBytes } = draw([]);
    expect(columns.seconds).toEqual([]);
    expect(span).toEqual([(NOW_MS - WINDOW_MS) / 1000, (NOW_MS + WINDOW_MS / 10) / 1000]);
    expect([gaps, limitBytes]).toEqual([[], null]);
    expect(topBytes).toBeGreaterThan(0);
  });

  it('has columns of one length, with time only going forward', () => {
    const { columns } = draw([point(9, 500), point(8, 510), point(1, 520), point(0, 530)], {
      growthBytesPerSecond: 10,
      secondsToLimit: 48,
    });
    for (const values of Object.values(columns)) expect(values).toHaveLength(columns.seconds.length);
    expect(columns.seconds).toEqual([...new Set(columns.seconds)].sort((a, b) => a - b));
  });

  it('tells what is unreclaimable apart from what is used', () => {
    const { columns } = draw([point(1, 500), point(0, 600, { reclaimableBytes: 700, anonBytes: null })]);
    expect(drawn(columns.used)).toEqual([500, 600]);
    expect(drawn(columns.held)).toEqual([490, 0]);
    expect(drawn(columns.anon)).toEqual([480]);
  });

  it('draws the thresholds of the limit in force at each moment, up to the right edge', () => {
    const { columns, span } = draw([point(1, 500), point(0, 500, { limitBytes: 2000 })]);
    expect(columns.warning).toEqual([750, 1500, 1500]);
    expect(columns.critical).toEqual([920, 1840, 1840]);
    expect(columns.seconds.at(-1)).toBe(span[1]);
    expect(drawn(draw([point(0, 500)], QUIET, null).columns.shedding)).toEqual([]);
  });

  it('leaves a gap where nothing was read', () => {
    const { columns, gaps } = draw([point(20, 500), point(10, 500), point(9, 500), point(0, 500)]);
    expect(gaps).toEqual([
      [NOW_MS / 1000 - 20, NOW_MS / 1000 - 10],
      [NOW_MS / 1000 - 9, NOW_MS / 1000],
    ]);
    expect(columns.held.slice(0, 6)).toEqual([490, null, 490, 490, null, 490]);
  });

  it('takes no gap for one while readings come as the history keeps them', () => {
    expect(draw([point(3.5, 500), point(GAP_MS / 1000 - 3.5, 500)]).gaps).toEqual([]);
  });

  it('has a gap up to now when the last reading is old, and forecasts nothing from it', () => {
    const { gaps, columns, limitAt } = draw([point(30, 500)], {
      growthBytesPerSecond: 100,
      secondsToLimit: 5,
    });
    expect(gaps).toEqual([[NOW_MS / 1000 - 30, NOW_MS / 1000]]);
    expect([drawn(columns.forecast), limitAt]).toEqual([[], null]);
  });

  it('goes on to the limit when it is reached within the picture', () => {
    const { columns, limitAt } = draw([point(1, 500), point(0, 510)], {
      growthBytesPerSecond: 25,
      secondsToLimit: 20,
    });
    expect(drawn(columns.forecast)).toEqual([500, 1000]);
    expect(limitAt).toBe(NOW_MS / 1000 + 20);
  });

  it('goes on to the edge when the limit is further away', () => {
    const { columns, limitAt, span } = draw([point(0, 510)], {
      growthBytesPerSecond: 5,
      secondsToLimit: 100,
    });
    expect(drawn(columns.forecast)).toEqual([500, 500 + 500 * 0.6]);
    expect(columns.seconds.at(-1)).toBe(span[1]);
    expect(limitAt).toBeNull();
  });

  it.each([
    ['is not known', null],
    ['is none', { growthBytesPerSecond: 0, secondsToLimit: null }],
    ['falls', { growthBytesPerSecond: -5, secondsToLimit: null }],
  ])('has no forecast when growth %s', (_, outlook) => {
    expect(drawn(draw([point(0, 500)], outlook).columns.forecast)).toEqual([]);
  });

  it('shows what lies within the window, and the one reading that leads into it', () => {
    const { columns } = draw([point(700, 100), point(601, 200), point(599, 300), point(0, 400)]);
    expect(drawn(columns.used)).toEqual([200, 300, 400]);
  });

  it('reaches above the limit, or looks closer where use is small', () => {
    expect(draw([point(0, 500)]).topBytes).toBeGreaterThan(1000);
    expect(draw([point(0, 1200)]).topBytes).toBeGreaterThan(1200);
    expect(draw([point(0, 100)]).topBytes).toBe(150);
    expect(draw([point(0, 0)]).topBytes).toBe(1000);
  });
});
