import { describe, expect, it } from 'vitest';
import type { GcRecord } from '../../../src/core/model/gc-record.ts';
import type { HistoryReading, Transition } from '../../../src/core/report/history.ts';
import type { HistoryReport } from '../../../src/core/report/history-report.ts';
import {
  NO_PAST,
  pointOfStatus,
  WINDOW_MS,
  withHistory,
  withPoint,
  withStatus,
} from '../../../src/page/model.ts';
import { statusWith } from '../../support/status.ts';

const START_MS = Date.parse('2026-01-01T00:00:00.000Z');
const iso = (seconds: number) => new Date(START_MS + seconds * 1000).toISOString();
const reading = (seconds: number, usedBytes = 500): HistoryReading => ({
  at: iso(seconds),
  level: 'ok',
  ratio: 0.5,
  usedBytes,
  reclaimableBytes: 0,
  limitBytes: 1000,
  anonBytes: null,
  rssBytes: 0,
});
const change = (seconds: number, from: Transition['from'], to: Transition['to']): Transition => ({
  at: iso(seconds),
  from,
  to,
  ratio: 0.8,
  reason: 'r',
});
const report = (changes: Partial<HistoryReport> = {}): HistoryReport => ({
  readings: [],
  transitions: [],
  thresholds: { warnRatio: 0.7, shedRatio: 0.8, criticalRatio: 0.9, recoverMargin: 0.05 },
  collections: [],
  deaths: [],
  guardian: { version: '1' },
  ...changes,
});
const gc = (seconds: number): GcRecord => ({
  at: iso(seconds),
  verdict: 'freed',
  way: 'fast',
  trigger: 't',
  freedBytes: 1,
  freedCgroupBytes: 1,
  freedRssBytes: 1,
  freedHeapBytes: 1,
  stallMs: 1,
  note: 'n',
  hint: null,
});
const pointAt = (seconds: number) => {
  const point = pointOfStatus(statusWith(), START_MS + seconds * 1000);
  if (!point) throw new Error('no point');
  return point;
};
const times = ({ points }: { points: readonly { atMs: number }[] }) =>
  points.map(({ atMs }) => (atMs - START_MS) / 1000);

describe('the past as the page knows it', () => {
  it('is what the guardian tells', () => {
    const past = withHistory(
      NO_PAST,
      report({ readings: [reading(0), reading(1, 600)], collections: [gc(1)] }),
    );
    expect(past.points.map(({ usedBytes }) => usedBytes)).toEqual([500, 600]);
    expect(past).toMatchObject({ version: '1', thresholds: { warnRatio: 0.7 }, collections: [gc(1)] });
  });

  it('takes the history instead of what it saw of the same time', () => {
    const seen = [0.5, 1.5, 2.5].reduce((past, seconds) => withPoint(past, pointAt(seconds)), NO_PAST);
    expect(times(withHistory(seen, report({ readings: [reading(0), reading(1), reading(3)] })))).toEqual([
      0, 1, 3,
    ]);
  });

  it('keeps what it saw before a guardian that was restarted', () => {
    const before = withHistory(
      NO_PAST,
      report({ readings: [reading(0), reading(1)], transitions: [change(1, 'ok', 'warning')] }),
    );
    const after = withHistory(
      before,
      report({ readings: [reading(30)], transitions: [change(31, 'ok', 'shedding')] }),
    );
    expect(times(after)).toEqual([0, 1, 30]);
    expect(after.transitions.map(({ to }) => to)).toEqual(['warning', 'shedding']);
  });

  it('tells no change of level twice', () => {
    const calm = statusWith({ level: 'ok' });
    const warned = statusWith({ level: 'warning', since: iso(1.2), ratio: 0.8, reason: 'r' });
    const live = withStatus(NO_PAST, calm, warned);
    expect(live.transitions).toEqual([{ ...change(1.2, 'ok', 'warning') }]);
    const told = report({ readings: [reading(5)], transitions: [change(1.1, 'ok', 'warning')] });
    expect(withHistory(live, told).transitions).toEqual([change(1.1, 'ok', 'warning')]);
    expect(withStatus(withHistory(NO_PAST, told), calm, warned).transitions).toHaveLength(1);
  });

  it('takes the first status for no change, and the same level for none', () => {
    const status = statusWith({ level: 'critical' });
    expect(withStatus(NO_PAST, null, status)).toBe(NO_PAST);
    expect(withStatus(NO_PAST, status, status)).toBe(NO_PAST);
  });

  it('adds each collection once, newest first, and keeps ten', () => {
    let past = NO_PAST;
    for (let i = 0; i < 12; i++)
      for (let twice = 0; twice < 2; twice++) past = withStatus(past, null, statusWith({ lastGc: gc(i) }));
    expect(past.collections).toHaveLength(10);
    expect(past.collections[0]).toEqual(gc(11));
  });

  it('adds each death once, at once, newest first, and keeps ten', () => {
    const death = (i: number) => ({
      id: `d${i}`,
      at: iso(i),
      cause: 'oom-killed' as const,
      reason: 'killed',
    });
    let past = withHistory(NO_PAST, report({ deaths: [death(0)] }));
    for (let i = 0; i < 12; i++)
      for (let twice = 0; twice < 2; twice++)
        past = withStatus(past, null, statusWith({ lastDeath: death(i) }));
    expect(past.deaths.map(({ id }) => id)).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map((i) => `d${i}`));
  });

  it('forgets what is older than the window', () => {
    const past = [0, 1, 2].reduce((so, i) => withPoint(so, pointAt((i * WINDOW_MS) / 1500)), NO_PAST);
    expect(times(past)).toEqual([400, 800]);
  });

  it('does not go back in time', () => {
    const past = withPoint(NO_PAST, pointAt(5));
    expect(withPoint(past, pointAt(5))).toBe(past);
    expect(withPoint(past, pointAt(4))).toBe(past);
  });

  it('has no point of a status without a reading', () => {
    expect(pointOfStatus(statusWith({ usedBytes: null }), 0)).toBeNull();
    expect(pointOfStatus(statusWith({ limitBytes: null }), 0)).toBeNull();
  });
});
