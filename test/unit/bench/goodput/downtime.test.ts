import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProbeAnswer } from '../../../bench/goodput/balancer.ts';
import { downtime, type Interval, lengthMs, merged, overlap } from '../../../bench/goodput/downtime.ts';
import type { Life } from '../../../bench/goodput/replica.ts';

const probe = (answeredMs: number, ready: boolean): ProbeAnswer => ({
  askedMs: answeredMs,
  answeredMs,
  ready,
  guardStatus: ready ? 200 : 503,
  guardBody: '',
});
const life = (listeningMs: number, diedMs?: number): Life => ({
  pid: 1,
  listeningMs,
  diedMs,
  cause: diedMs === undefined ? undefined : 'oom',
  sessions: new Set(),
});
const interval = fc
  .tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 }))
  .map(([a, b]): Interval => [Math.min(a, b), Math.max(a, b)]);
const covers = (intervals: readonly Interval[], at: number) =>
  intervals.some(([fromMs, toMs]) => fromMs <= at && at < toMs);

describe('downtime', () => {
  it('lasts from a failed probe to the next good one', () => {
    const probes = [probe(0, true), probe(1000, false), probe(2000, false), probe(3000, true)];
    expect(downtime(probes, [life(0)], [0, 9000])).toEqual([[1000, 3000]]);
  });

  it('lasts from a death until a process listens, although no probe has noticed', () => {
    expect(downtime([probe(0, true)], [life(0, 1500), life(2500)], [0, 9000])).toEqual([[1500, 2500]]);
  });

  it('counts once what both say, and nothing outside the run', () => {
    const probes = [probe(1000, true), probe(2000, false), probe(4000, true), probe(8500, false)];
    expect(downtime(probes, [life(0, 1500), life(2500)], [0, 9000])).toEqual([
      [1500, 4000],
      [8500, 9000],
    ]);
  });
});

describe('intervals', () => {
  it('cover the same times when merged, and do not touch', () => {
    fc.assert(
      fc.property(fc.array(interval), fc.integer({ min: 0, max: 100 }), (some, at) => {
        const out = merged(some);
        expect(covers(out, at)).toBe(covers(some, at));
        out.slice(1).forEach(([fromMs], i) => {
          expect(fromMs).toBeGreaterThan(out[i]?.[1] ?? Infinity);
        });
      }),
    );
  });

  it('overlap where both do', () => {
    fc.assert(
      fc.property(fc.array(interval), fc.array(interval), (some, others) => {
        const both = overlap(some, others);
        for (let at = 0; at < 100; at++)
          expect(covers(both, at)).toBe(covers(some, at) && covers(others, at));
        expect(lengthMs(both)).toBeLessThanOrEqual(lengthMs(merged(some)));
      }),
    );
  });
});
