import { describe, expect, it } from 'vitest';
import { type Awaited, LeftByWork } from '../../../../src/core/gc/left-by-work.ts';

/** After a collection with so many in flight, at each following count, a second apart: whether it is outdated. */
function outdated(
  collected: number | null,
  counts: readonly (number | null)[],
  awaited: Awaited | null,
): boolean[] {
  const left = new LeftByWork();
  left.collected(collected);
  return counts.map((count, i) => {
    left.follow(1000 * i, count, awaited);
    return left.outdated(1000 * i) !== null;
  });
}

describe('what a collection has left in use', () => {
  it('is outdated once half of the work has ended while the agent is drained, for two seconds', () => {
    expect(outdated(10, [10, 6, 5, 3, 2, 1], 'drained')).toEqual([false, false, true, true, false, false]);
    expect(outdated(1, [1, 0], 'drained')).toEqual([false, true]);
  });

  it('is so with a quarter ended where requests wait, if that is more than one', () => {
    expect(outdated(100, [100, 80, 75], 'waiting')).toEqual([false, false, true]);
    expect(outdated(3, [3, 1], 'waiting')).toEqual([false, false]);
  });

  it('is not where nobody awaits it, or nothing is known', () => {
    expect(outdated(10, [0], null)).toEqual([false]);
    expect(outdated(null, [0], 'drained')).toEqual([false]);
    expect(outdated(10, [null], 'drained')).toEqual([false]);
  });

  it('is so for two seconds more once the agent is drained', () => {
    const left = new LeftByWork();
    left.collected(10);
    for (const atMs of [0, 1000, 2000]) left.follow(atMs, 4, 'waiting');
    expect(left.outdated(2000)).toBe(null);
    left.follow(3000, 4, 'drained');
    expect(left.outdated(3000)).toBe('drained');
  });

  it('is so for two seconds more, once, when all of it has ended', () => {
    expect(outdated(10, [5, 2, 1, 0, 0, 0, 1, 0], 'drained')).toEqual([
      ...[true, true, false, true, true, false],
      ...[false, false],
    ]);
  });

  it('is not after the next collection', () => {
    const left = new LeftByWork();
    left.collected(10);
    left.follow(0, 0, 'drained');
    expect(left.outdated(0)).toBe('drained');
    left.collected(0);
    left.follow(50, 0, 'drained');
    expect(left.outdated(50)).toBe(null);
  });
});
