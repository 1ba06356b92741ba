import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canWait, nextIntervalMs, risePerSecond } from '../../../../src/core/pressure/sampling.ts';
import { DEFAULT_OPTIONS } from '../../../support/options.ts';

const MiB = 2 ** 20;
const t = DEFAULT_OPTIONS;
const interval = (held: number, risePerSecond: number, limit = 512 * MiB) =>
  nextIntervalMs({ heldBytes: held, limitBytes: limit, risePerSecond }, t, {
    minMs: t.sampleMin,
    maxMs: t.sampleMax,
  });

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
          const ms = nextIntervalMs({ heldBytes: held, limitBytes: limit, risePerSecond: rise }, t, {
            minMs: 5,
            maxMs: 50,
          });
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
    expect(canWait(200 * MiB, last, 350, t)).toBe(true);
    expect(canWait(200.5 * MiB, last, 350, t)).toBe(true);
  });
  it('cannot when use moves, either way', () => {
    expect(canWait(202 * MiB, last, 50, t)).toBe(false);
    expect(canWait(198 * MiB, last, 50, t)).toBe(false);
  });
  it('cannot for long', () => expect(canWait(200 * MiB, last, 400, t)).toBe(false));
  it('cannot where cache may hide what is held', () => {
    const full = { usedBytes: 400 * MiB, limitBytes: 512 * MiB };
    expect(canWait(400 * MiB, full, 50, t)).toBe(false);
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
