import { describe, expect, it } from 'vitest';
import { retryAfterSeconds } from '../../../../src/core/pressure/retry-after.ts';

const at = (secondsToLimit: number | null) => retryAfterSeconds(secondsToLimit, { hold: 5000 });

describe('Retry-After', () => {
  it('is at least the hold: before that the level cannot be left', () => {
    expect(at(null)).toBe(5);
    expect(at(0.2)).toBe(5);
  });
  it('follows the forecast, in whole seconds', () => expect(at(12.3)).toBe(13));
  it('does not send clients away for long', () => expect(at(4000)).toBe(30));
  it('is never nothing', () => expect(retryAfterSeconds(null, { hold: 0 })).toBe(1));
});
