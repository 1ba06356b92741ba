import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reading } from '../../../../src/core/model/reading.ts';
import {
  COARSE_READINGS,
  FINE_READINGS,
  HistoryStore,
  NEAR_READINGS,
  TRANSITIONS,
} from '../../../../src/core/report/history.ts';

const toIso = (atMs: number) => new Date(Math.round(atMs)).toISOString();
const ms = (reading: { at: string }) => Date.parse(reading.at);
const reading = (atMs: number, usedBytes = 500, more: Partial<Reading> = {}): Reading => ({
  atMs,
  usedBytes,
  reclaimableBytes: 100,
  anonBytes: 300,
  shmemBytes: 0,
  kernelBytes: 0,
  limitBytes: 1000,
  limitSource: 'cgroup-v2',
  usageSource: 'cgroup-v2',
  rssBytes: 350,
  heap: null,
  others: [],
  ...more,
});

function filled(
  fromMs: number,
  toMs: number,
  everyMs: number,
  store = new HistoryStore(toIso),
): HistoryStore {
  for (let t = fromMs; t <= toMs; t += everyMs) store.add(reading(t), 'ok');
  return store;
}

describe('HistoryStore', () => {
  it('gives back what went in, with a missing number as null', () => {
    const store = new HistoryStore(toIso);
    store.add(reading(1000, 555.0), 'warning');
    store.add(reading(1050, 600, { anonBytes: null }), 'ok');
    const { readings } = store.render();
    expect(readings[0]).toEqual({
      at: '1970-01-01T00:00:01.000Z',
      level: 'warning',
      ratio: 0.455,
      usedBytes: 555,
      reclaimableBytes: 100,
      limitBytes: 1000,
      anonBytes: 300,
      rssBytes: 350,
    });
    expect(readings[1]?.anonBytes).toBeNull();
    expect(readings).toHaveLength(2);
  });

  it('is empty before the first reading, and takes the same moment once', () => {
    const store = new HistoryStore(toIso);
    expect(store.render()).toEqual({ readings: [], transitions: [] });
    store.add(reading(5), 'ok');
    store.add(reading(5, 900), 'ok');
    store.add(reading(4, 900), 'ok');
    expect(store.render().readings).toHaveLength(1);
  });

  it('keeps ten minutes: every reading of late, before that one a second', () => {
    const { readings } = filled(0, 1_000_000, 50).render();
    const newest = 1_000_000;
    expect(ms(readings[0]!)).toBe(newest - 600_000);
    const coarse = readings.filter((r) => ms(r) <= newest - FINE_READINGS * 50);
    expect(readings.length - coarse.length).toBe(FINE_READINGS);
    expect(coarse.length).toBeGreaterThan(540);
    expect(readings.length).toBeLessThan(FINE_READINGS + COARSE_READINGS);
  });

  it('keeps the highest of each second', () => {
    const store = new HistoryStore(toIso);
    for (let t = 0; t < 200_000; t += 50) store.add(reading(t, t % 1000 === 450 ? 950 : 500), 'ok');
    const early = store.render().readings.filter((r) => ms(r) < 100_000);
    expect(early.length).toBe(100);
    expect(early.every((r) => r.usedBytes === 950)).toBe(true);
  });

  it('keeps what is near a transition after it left the fine ring', () => {
    const store = filled(0, 10_000, 50);
    store.transition({ atMs: 10_000, from: 'ok', to: 'warning', ratio: 0.76, reason: 'why' });
    filled(10_050, 120_000, 50, store);
    const times = store.render().readings.map(ms);
    const near = times.filter((t) => t >= 8000 && t <= 12_000);
    expect(near).toEqual(Array.from({ length: 81 }, (_, i) => 8000 + i * 50));
    expect(times.filter((t) => t >= 2000 && t < 7000)).toHaveLength(5);
  });

  it('stays bounded when the level flaps all the time', () => {
    const store = new HistoryStore(toIso);
    for (let t = 0; t < 100_000; t += 5) {
      store.add(reading(t), 'ok');
      if (t % 500 === 0)
        store.transition({ atMs: t, from: 'ok', to: 'warning', ratio: 0.75, reason: `at ${t}` });
    }
    const { readings, transitions } = store.render();
    expect(readings.length).toBeLessThanOrEqual(FINE_READINGS + NEAR_READINGS + COARSE_READINGS);
    expect(readings.length).toBeGreaterThanOrEqual(FINE_READINGS + NEAR_READINGS);
    expect(transitions).toHaveLength(TRANSITIONS);
    expect(transitions.at(-1)).toMatchObject({ at: '1970-01-01T00:01:39.500Z', reason: 'at 99500' });
  });

  it('renders only the last part when asked', () => {
    const times = filled(0, 60_000, 50).render(5000).readings.map(ms);
    expect(times[0]).toBe(55_000);
    expect(times).toHaveLength(101);
  });

  it('is in order of time and without repeats, however irregular the readings', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 3000 }), (gaps) => {
        const store = new HistoryStore(toIso);
        let t = 0;
        gaps.forEach((gap, i) => {
          t += gap;
          store.add(reading(t, 100 + (gap % 900)), 'ok');
          if (i % 100 === 50)
            store.transition({ atMs: t, from: 'ok', to: 'warning', ratio: 0.75, reason: '' });
        });
        const times = store.render().readings.map(ms);
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
        expect(times.at(-1)).toBe(t);
      }),
      { numRuns: 30 },
    );
  });
});
