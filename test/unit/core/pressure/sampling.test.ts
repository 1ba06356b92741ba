import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ONE_CORE } from '../../../../src/core/model/fastest-growth.ts';
import {
  canWait,
  type Growth,
  nextIntervalMs,
  risePerSecond,
  wholeEveryMs,
} from '../../../../src/core/pressure/sampling.ts';
import { DEFAULT_OPTIONS } from '../../../support/options.ts';

const MiB = 2 ** 20;
const t = DEFAULT_OPTIONS;
const AT_REST: Omit<Growth, 'heldBytes' | 'limitBytes'> = {
  ...{ risePerSecond: 0, fastest: ONE_CORE },
  ...{ moving: null, exitTold: true },
};
const TWO_CORES = { ...ONE_CORE, cores: 2, quotaCores: 2 };
const bounds = { minMs: t.sampleMin, maxMs: t.sampleMax };
const interval = (heldMiB: number, limitMiB: number, how: Partial<typeof AT_REST> = {}) =>
  nextIntervalMs({ ...AT_REST, heldBytes: heldMiB * MiB, limitBytes: limitMiB * MiB, ...how }, t, bounds);
/** The next look, and what it sees of growth that goes on flat out from now on. */
const nextSeen = (heldMiB: number, limitMiB: number, cores: number) => {
  const fastest = { ...ONE_CORE, cores, quotaCores: cores };
  const ms = interval(heldMiB, limitMiB, { fastest });
  const grown = (ms / 1000) * cores * ONE_CORE.bytesPerSecond;
  return { ms, ratio: (heldMiB * MiB + grown) / (limitMiB * MiB) };
};

describe('the sampling interval', () => {
  it('is as long as the fastest growth takes to the shed ratio', () => {
    expect(interval(0.2 * 2048, 2048)).toBeCloseTo(536.9, 1);
    expect(interval(0.2 * 2048, 2048, { fastest: TWO_CORES })).toBeCloseTo(268.4, 1);
    expect(interval(0.5 * 512, 512)).toBeCloseTo(72.3, 1);
    expect(interval(0.05 * 8192, 8192)).toBe(1000);
  });

  it('sees flat-out growth before the shed ratio, or in time to answer before the kill', () => {
    for (const limit of [256, 512, 2048, 8192])
      for (const rest of [0.05, 0.2, 0.5, 0.7, 0.8])
        for (const cores of [1, 2]) {
          const { ratio, ms } = nextSeen(rest * limit, limit, cores);
          const answeredBy = 1 - (0.008 * cores * ONE_CORE.bytesPerSecond) / (limit * MiB);
          // sooner than the shortest interval nobody looks
          if (ms > t.sampleMin) expect(ratio).toBeLessThanOrEqual(Math.max(t.shedRatio, answeredBy) + 1e-9);
        }
  });

  it('is 20 ms near the line where that is soon enough, and on it in a small container less', () => {
    expect(interval(0.849 * 512, 512)).toBe(20);
    expect(interval(0.849 * 512, 512, { risePerSecond: -100 * MiB })).toBe(20);
    expect(interval(0.849 * 256, 256)).toBeLessThan(10);
    expect(interval(0.91 * 256, 256)).toBe(20);
  });

  it('is the shortest on a burst', () => {
    expect(interval(400, 512, { risePerSecond: 2.4e9 })).toBe(5);
  });

  it('looks again at least four times before the rise in progress reaches the line', () => {
    expect(interval(300, 512, { risePerSecond: 2e9 })).toBeCloseTo(((0.85 * 512 - 300) * MiB) / 2e6 / 4);
  });

  it('gives the statistics of growth points enough while use moves', () => {
    expect(interval(400, 8192, { moving: 'usual' })).toBe(200);
    expect(interval(400, 8192, { moving: 'heap' })).toBe(50);
  });

  it('is at most 250 ms where nobody tells of the end of the agent', () => {
    expect(interval(400, 8192, { exitTold: false })).toBe(250);
  });

  it('stays within its bounds, whatever comes', () => {
    const any = fc.double({ min: -1e12, max: 1e12 });
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e12, noNaN: true }),
        any,
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        (heldBytes, rise, limitBytes) => {
          const growth = { ...AT_REST, heldBytes, limitBytes, risePerSecond: rise };
          const ms = nextIntervalMs(growth, t, { minMs: 5, maxMs: 50 });
          expect(ms).toBeGreaterThanOrEqual(5);
          expect(ms).toBeLessThanOrEqual(50);
        },
      ),
    );
  });
});

describe('a whole reading', () => {
  const last = { usedBytes: 200 * MiB, limitBytes: 512 * MiB };
  it('can wait while use rests far below the warning ratio', () => {
    expect(canWait(200 * MiB, last, 50, t)).toBe(true);
    expect(canWait(200.5 * MiB, last, 50, t)).toBe(true);
  });
  it('cannot when use moves, either way', () => {
    expect(canWait(202 * MiB, last, 350, t)).toBe(false);
    expect(canWait(198 * MiB, last, 350, t)).toBe(false);
  });
  it('cannot for long', () => expect(canWait(200 * MiB, last, 0, t)).toBe(false));
  it('is due each second, and more often under pressure, which may end', () => {
    expect([wholeEveryMs(false), wholeEveryMs(true)]).toEqual([1000, 400]);
  });
  it('cannot where cache may hide what is held', () => {
    const full = { usedBytes: 400 * MiB, limitBytes: 512 * MiB };
    expect(canWait(400 * MiB, full, 350, t)).toBe(false);
  });
});

describe('the rise', () => {
  it('is what memory grew by', () => expect(risePerSecond(0, 5e6, 10)).toBe(5e8));
  it('outlasts a pause between two steps, and is forgotten when no other follows', () => {
    expect(risePerSecond(5e8, 0, 10)).toBeGreaterThan(4e8);
    expect(risePerSecond(5e8, 0, 100)).toBe(2.5e8);
    expect(risePerSecond(5e8, 0, 5000)).toBeLessThan(1);
  });
  it('makes nothing of a first sample or a clock that stands', () => {
    expect(risePerSecond(7, 5e6, Number.POSITIVE_INFINITY)).toBe(7);
    expect(risePerSecond(7, 5e6, 0)).toBe(7);
  });
});
