import { expect, it } from 'vitest';
import { AT_ONCE, retryLater, waitAfter } from '../../../../src/core/lib/backoff.ts';

it('waits for nothing at first, then twice as long after each failure, and never longer than the longest', () => {
  const waits = [0, 1, 2, 3, 4, 5, 10_000].map((failures) => waitAfter({ first: 2, longest: 15 }, failures));
  expect(waits).toEqual([0, 2, 4, 8, 15, 15, 15]);
});

it('counts failures on where the next is of another kind', () => {
  const [soon, late] = [
    { first: 1, longest: 10 },
    { first: 100, longest: 1000 },
  ];
  const once = retryLater(AT_ONCE, soon, 50);
  expect(once).toEqual({ failures: 1, fromMs: 51 });
  expect(retryLater(once, late, 60)).toEqual({ failures: 2, fromMs: 260 });
});
