import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { createAllowance } from '../../../src/adapters/rate-limit.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

it('allows a burst less the reserve, then one each time', () => {
  const { take } = createAllowance({ burst: 5, everyMs: 100 });
  expect([take(3), take(3)]).toEqual([0, 0]);
  expect(take(3)).toBe(100);
  expect([take(0), take(0), take(0)]).toEqual([0, 0, 0]);
  expect(take(0)).toBe(100);
  vi.advanceTimersByTime(60);
  expect(take(0)).toBe(40);
  vi.advanceTimersByTime(40);
  expect(take(0)).toBe(0);
  expect(take(0)).toBe(100);
});

it('says how long a reserve takes to fill, also one that is larger than the burst', () => {
  const { take } = createAllowance({ burst: 2, everyMs: 60_000 });
  expect(take(9)).toBe(0);
  expect(take(9)).toBe(60_000);
});
