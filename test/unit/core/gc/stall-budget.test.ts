import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StallBudget } from '../../../../src/core/gc/stall-budget.ts';

describe('stall budget', () => {
  it('grows from when the agent was found, up to a minute’s worth', () => {
    const budget = new StallBudget(0.1, 1000);
    expect(budget.credit(1000)).toBe(0);
    expect(budget.credit(6000)).toBeCloseTo(500);
    expect(budget.credit(3_600_000)).toBeCloseTo(6000);
  });

  it('comes back a minute after it was spent', () => {
    const budget = new StallBudget(0.1, 0);
    budget.spend(4000, 100_000);
    expect(budget.credit(100_000)).toBeCloseTo(2000);
    expect(budget.credit(159_999)).toBeCloseTo(2000);
    expect(budget.credit(160_000)).toBeCloseTo(6000);
  });

  it('pays off a run of more than a whole minute’s worth first', () => {
    const budget = new StallBudget(0.1, 0);
    budget.spend(12_000, 100_000);
    expect(budget.credit(219_999)).toBeCloseTo(-6000);
    expect(budget.enoughAtMs(1, 100_000)).toBe(220_000);
  });

  it('of 0 allows nothing, ever', () => {
    const budget = new StallBudget(0, 0);
    budget.spend(5, 10);
    expect(budget.credit(1e9)).toBe(0);
    expect(budget.enoughAtMs(1, 0)).toBeNull();
  });

  it('holds in every window of a minute, and tells when there is enough', () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 40_000 }),
      stallMs: fc.integer({ min: 1, max: 5000 }),
    });
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.array(step, { maxLength: 40 }),
        (share, steps) => {
          const budget = new StallBudget(share, 0);
          const runs: { startMs: number; endMs: number }[] = [];
          let nowMs = 0;
          for (const { afterMs, stallMs } of steps) {
            nowMs += afterMs;
            const atMs = budget.enoughAtMs(stallMs, nowMs);
            if (stallMs > share * 60_000) {
              expect(atMs).toBeNull();
              continue;
            }
            expect(atMs).not.toBeNull();
            expect(budget.credit((atMs ?? 0) + 0.01)).toBeGreaterThanOrEqual(stallMs - 0.01);
            if ((atMs ?? 0) > nowMs + 2) expect(budget.credit((atMs ?? 0) - 2)).toBeLessThan(stallMs);
            if (budget.credit(nowMs) < stallMs) continue;
            runs.push({ startMs: nowMs, endMs: nowMs + stallMs });
            nowMs += stallMs;
            budget.spend(stallMs, nowMs);
          }
          for (const { startMs } of runs) {
            const within = runs.reduce(
              (sum, run) =>
                sum + Math.max(0, Math.min(run.endMs, startMs + 60_000) - Math.max(run.startMs, startMs)),
              0,
            );
            expect(within).toBeLessThanOrEqual(share * 60_000 + 0.01);
          }
        },
      ),
    );
  });
});
