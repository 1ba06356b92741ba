import { describe, expect, it } from 'vitest';
import { type LifeEnd, RestartPolicy } from '../../../../src/core/recycle/restart-policy.ts';

const crash = (changes: Partial<LifeEnd> = {}): LifeEnd => ({
  status: 1,
  livedMs: 100,
  recycled: false,
  ...changes,
});
const MIDDLE = 0.5;

describe('RestartPolicy', () => {
  it('waits 0, 1, 2, 4 … 60 s between crashes', () => {
    const policy = new RestartPolicy('always');
    const waits = Array.from({ length: 10 }, () => policy.next(crash(), MIDDLE));
    expect(waits).toEqual([0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('never runs out of numbers', () => {
    const policy = new RestartPolicy('always');
    for (let i = 0; i < 2000; i++) policy.next(crash(), MIDDLE);
    expect(policy.next(crash(), MIDDLE)).toBe(60_000);
  });

  it('spreads the wait by a tenth up and down', () => {
    const waits = [0, 1].map((chance) => {
      const policy = new RestartPolicy('always');
      policy.next(crash(), chance);
      return policy.next(crash(), chance);
    });
    expect(waits).toEqual([900, 1100]);
  });

  it('begins anew after a life of a minute', () => {
    const policy = new RestartPolicy('always');
    for (let i = 0; i < 5; i++) policy.next(crash(), MIDDLE);
    expect(policy.next(crash({ livedMs: 59_999 }), MIDDLE)).toBe(16_000);
    expect(policy.next(crash({ livedMs: 60_000 }), MIDDLE)).toBe(0);
    expect(policy.next(crash(), MIDDLE)).toBe(1000);
  });

  it('does not wait after a recycle, which has a budget of its own', () => {
    const policy = new RestartPolicy('on-failure');
    for (let i = 0; i < 3; i++) policy.next(crash(), MIDDLE);
    expect(policy.next(crash({ recycled: true }), MIDDLE)).toBe(0);
    expect(policy.next(crash(), MIDDLE)).toBe(4000);
  });

  it.each([
    ['no', crash(), false],
    ['no', crash({ recycled: true }), false],
    ['on-failure', crash(), true],
    ['on-failure', crash({ status: 137 }), true],
    ['on-failure', crash({ status: 0 }), false],
    ['on-failure', crash({ status: 0, recycled: true }), true],
    ['always', crash({ status: 0 }), true],
    ['always', crash({ status: 127 }), false],
    ['on-failure', crash({ status: 126 }), false],
    ['on-failure', crash({ status: 127, livedMs: 5000 }), true],
  ] as const)('with %s after %j: %s', (mode, end, again) => {
    expect(new RestartPolicy(mode).next(end, MIDDLE) !== null).toBe(again);
  });
});
