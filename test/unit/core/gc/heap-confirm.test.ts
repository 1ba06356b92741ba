import { describe, expect, it } from 'vitest';
import { confirmHeap, UNCROSSED } from '../../../../src/core/gc/heap-confirm.ts';

const SHED = 0.85;
const NEVER = { atMs: Number.NEGATIVE_INFINITY, leftBytes: 0 };

/** Looks at a heap with a limit of 100 bytes, one after the other: at which time, how much, after which collection. */
function looks(
  ...all: [atMs: number, usedBytes: number, last?: { atMs: number; leftBytes: number }][]
): number[] {
  let state = UNCROSSED;
  return all.map(([atMs, usedBytes, last = NEVER]) => {
    const next = confirmHeap(
      state,
      { atMs, usedBytes, limitBytes: 100, riseBytesPerSecond: null },
      last,
      SHED,
    );
    state = next.state;
    return next.heap.usedBytes;
  });
}

describe('confirmHeap', () => {
  it('counts as it is what is below the shed ratio', () => {
    expect(looks([0, 84], [100, 20])).toEqual([84, 20]);
  });

  it('counts what may be garbage as just below, for a second at most', () => {
    expect(looks([0, 90], [500, 95], [999, 95], [1000, 95])).toEqual([84, 84, 84, 95]);
  });

  it('begins the second anew when it was below meanwhile', () => {
    expect(looks([0, 90], [900, 50], [1100, 90], [2099, 90], [2100, 90])).toEqual([84, 50, 84, 84, 90]);
  });

  it('counts it all once a collection since has left it', () => {
    expect(looks([0, 90], [200, 89, { atMs: 150, leftBytes: 89 }])).toEqual([84, 89]);
  });

  it('takes an earlier collection for proof only where it left most of it', () => {
    expect(looks([5000, 90, { atMs: 0, leftBytes: 80 }])).toEqual([90]);
    expect(looks([5000, 90, { atMs: 0, leftBytes: 30 }])).toEqual([84]);
    expect(looks([10_001, 90, { atMs: 0, leftBytes: 80 }])).toEqual([84]);
  });
});
