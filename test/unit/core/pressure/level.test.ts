import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atLeast, type LevelState, nextLevel, type Thresholds } from '../../../../src/core/pressure/level.ts';
import { DEFAULT_OPTIONS } from '../../../support/options.ts';

const t: Thresholds = DEFAULT_OPTIONS;
const start: LevelState = { level: 'ok', sinceMs: 0 };

/** Plays ratios one by one, as `[atMs, ratio]`, and lists each level that was entered. */
function play(
  story: readonly (readonly [number, number])[],
  thresholds = t,
): { level: string; atMs: number }[] {
  const entered: { level: string; atMs: number }[] = [];
  let state = start;
  for (const [atMs, ratio] of story) {
    const next = nextLevel(state, ratio, atMs, thresholds);
    if (next !== state) entered.push({ level: next.level, atMs });
    state = next;
  }
  return entered;
}

describe('levels', () => {
  it.each([
    [0.7499, 'ok'],
    [0.75, 'warning'],
    [0.8499, 'warning'],
    [0.85, 'shedding'],
    [0.9199, 'shedding'],
    [0.92, 'critical'],
    [1.3, 'critical'],
  ])('at %f is %s', (ratio, level) => expect(nextLevel(start, ratio, 1, t).level).toBe(level));

  it('are not left before the hold, nor within the margin', () => {
    const story = [
      [0, 0.86],
      [4999, 0.1],
      [5000, 0.81],
      [9000, 0.8],
      [9001, 0.799],
    ] as const;
    expect(play(story)).toEqual([
      { level: 'shedding', atMs: 0 },
      { level: 'warning', atMs: 9001 },
    ]);
  });

  it('fall over several at once when memory has fallen far enough', () => {
    expect(
      play([
        [0, 0.95],
        [6000, 0.3],
      ]).at(-1),
    ).toEqual({ level: 'ok', atMs: 6000 });
  });

  it('never flap: a level entered stays for the hold unless a worse one follows', () => {
    const steps = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.double({ min: 0, max: 1.2, noNaN: true })),
      {
        maxLength: 200,
      },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 8000 }), (moves, hold) => {
        let now = 0;
        let state = start;
        for (const [wait, ratio] of moves) {
          now += wait;
          const next = nextLevel(state, ratio, now, { ...t, hold });
          if (next !== state && !atLeast(next.level, state.level)) {
            expect(now - state.sinceMs).toBeGreaterThanOrEqual(hold);
            const entry = { ok: 0, warning: t.warnRatio, shedding: t.shedRatio, critical: t.criticalRatio };
            expect(ratio).toBeLessThan(entry[state.level] - t.recoverMargin);
          }
          state = next;
        }
      }),
    );
  });

  it('are at least what the ratio asks for, always', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1.2, noNaN: true }), { maxLength: 100 }), (ratios) => {
        let state = start;
        for (const [i, ratio] of ratios.entries()) {
          state = nextLevel(state, ratio, i * 700, t);
          expect(atLeast(state.level, nextLevel(start, ratio, 0, t).level)).toBe(true);
        }
      }),
    );
  });
});
