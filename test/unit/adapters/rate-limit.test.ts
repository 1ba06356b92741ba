import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createAllowance } from '../../../src/adapters/rate-limit.ts';

it('allows a burst less the reserve, then one each time', async () => {
  const { take } = createAllowance({ burst: 5, everyMs: 100 });
  expect([take(3), take(3)]).toEqual([0, 0]);
  expect(take(3)).toBeGreaterThan(90);
  expect([take(0), take(0), take(0)]).toEqual([0, 0, 0]);
  const waitMs = take(0);
  expect(waitMs).toBeGreaterThan(50);
  expect(waitMs).toBeLessThanOrEqual(100);
  await sleep(waitMs + 5);
  expect(take(0)).toBe(0);
  expect(take(0)).toBeGreaterThan(0);
});

it('says how long a reserve takes to fill, also one that is larger than the burst', () => {
  const { take } = createAllowance({ burst: 2, everyMs: 60_000 });
  expect(take(9)).toBe(0);
  expect(take(9)).toBeGreaterThan(59_000);
});
