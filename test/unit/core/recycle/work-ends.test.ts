import { expect, it } from 'vitest';
import { isEnding } from '../../../../src/core/recycle/work-ends.ts';

it.each<[string, [atSecond: number, count: number][], nowSecond: number, leftSeconds: number, boolean]>([
  ['nothing was counted', [], 5, 5, true],
  ['it had no time yet', [[0, 7]], 2, 8, true],
  [
    'nothing has ended',
    [
      [0, 7],
      [3, 7],
    ],
    3.5,
    6.5,
    false,
  ],
  [
    'it ends in time',
    [
      [0, 8],
      [4, 4],
    ],
    4,
    6,
    true,
  ],
  [
    'it ends too late',
    [
      [0, 8],
      [4, 7],
    ],
    4,
    6,
    false,
  ],
  [
    'all has ended',
    [
      [0, 8],
      [4, 0],
    ],
    9,
    1,
    true,
  ],
])('work in flight is waited for: %s', (_, counts, nowSecond, leftSeconds, result) => {
  const at = counts.map(([second, count]) => ({ atMs: second * 1000, count }));
  expect(isEnding(at, nowSecond * 1000, leftSeconds * 1000)).toBe(result);
});
