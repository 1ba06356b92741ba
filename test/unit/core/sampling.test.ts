import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextIntervalMs } from '../../../src/core/sampling.ts';

const MiB = 2 ** 20;
const t = { warnRatio: 0.75, shedRatio: 0.85, criticalRatio: 0.92, recoverMargin: 0.05, hold: 5000 };
const interval = (held: number, risePerSecond: number, limit = 512 * MiB) =>
  nextIntervalMs(held, limit, risePerSecond, t, 5, 50);

describe('the sampling interval', () => {
  it('is the longest far from the line, calm or not', () => {
    expect(interval(100 * MiB, 0)).toBe(50);
    expect(interval(100 * MiB, 50 * MiB)).toBe(50);
  });

  it('is never the shortest while memory rests, however near', () => {
    expect(interval(0.849 * 512 * MiB, 0)).toBe(20);
    expect(interval(0.849 * 512 * MiB, -100 * MiB)).toBe(20);
  });

  it('is the shortest on a burst', () => {
    expect(interval(400 * MiB, 2.4e9)).toBe(5);
  });

  it('looks again at least four times before the rise in progress reaches the line', () => {
    const held = 300 * MiB;
    const rise = 2e9;
    expect(interval(held, rise)).toBeCloseTo(((0.85 * 512 * MiB - held) / rise / 4) * 1000);
  });

  it('stays within its bounds, whatever comes', () => {
    const any = fc.double({ min: -1e12, max: 1e12 });
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e12, noNaN: true }),
        any,
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        (held, rise, limit) => {
          const ms = nextIntervalMs(held, limit, rise, t, 5, 50);
          expect(ms).toBeGreaterThanOrEqual(5);
          expect(ms).toBeLessThanOrEqual(50);
        },
      ),
    );
  });
});
