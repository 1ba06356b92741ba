import { expect, it } from 'vitest';
import { ONE_CORE, soonestMs } from '../../../../src/core/model/fastest-growth.ts';

const bytes = ONE_CORE.bytesPerSecond;

it('of several cores grow together', () => {
  expect(soonestMs(bytes, ONE_CORE)).toBe(1000);
  expect(soonestMs(bytes, { ...ONE_CORE, cores: 4, quotaCores: 4 })).toBe(250);
});

it('of a quota slow down beyond what two periods of it allow in one piece', () => {
  const half = { ...ONE_CORE, cores: 2, quotaCores: 0.5, periodMs: 100 };
  // 0.1 s of a core, all of two periods' quotas: as fast as the cores are
  expect(soonestMs(bytes / 10, half)).toBe(50);
  expect(soonestMs(bytes, half)).toBe(1800);
});
