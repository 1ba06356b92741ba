import { TokenBucket } from 'limiter';

/** So many at once, then so many in a time. */
export interface Allowance {
  /**
   * Takes one, unless fewer than `reserve` would be left; a full burst always has one to take.
   * @returns 0 when it was taken, else how long until it can be, in milliseconds
   */
  take(reserve: number): number;
}

/** @param everyMs one more is allowed each time this has passed, up to `burst` */
export function createAllowance({ burst, everyMs }: { burst: number; everyMs: number }): Allowance {
  const bucket = new TokenBucket({ bucketSize: burst, tokensPerInterval: 1, interval: everyMs });
  bucket.content = burst;
  return {
    take(reserve) {
      const waitMs = bucket.getWaitTime(Math.min(1 + reserve, burst));
      return waitMs <= 0 && bucket.tryRemoveTokens(1) ? 0 : Math.max(1, waitMs);
    },
  };
}
