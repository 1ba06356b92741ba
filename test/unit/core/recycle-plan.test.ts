import { describe, expect, it } from 'vitest';
import { type RecycleInput, RecyclePlan, type RecyclePlanOptions } from '../../../src/core/recycle-plan.ts';

const MIB = 2 ** 20;
const LIMIT = 512 * MIB;
const STEP_MS = 50;

type State = Partial<Omit<RecycleInput, 'nowMs' | 'heldBytes'>> & { ratio?: number };

/** An agent on a clock of its own, which starts an hour after the guardian. */
class Story {
  readonly plan: RecyclePlan;
  nowMs = 3_600_000;
  recycles: { atMs: number; reason: string }[] = [];
  why = '';
  limitBytes = LIMIT;

  constructor(options: Partial<RecyclePlanOptions> = {}) {
    this.plan = new RecyclePlan({ mode: 'auto', restarted: true, ...options });
    this.plan.born(this.nowMs);
  }

  /** For so many seconds it stands like this; the seconds until it was recycled, or `null`. */
  stands(seconds: number, state: State | ((second: number) => State)): number | null {
    const startMs = this.nowMs;
    while (this.nowMs < startMs + seconds * 1000) {
      this.nowMs += STEP_MS;
      const now = typeof state === 'function' ? state((this.nowMs - startMs) / 1000) : state;
      const { ratio = 0.5, limitBytes = this.limitBytes, ...rest } = now;
      const decision = this.plan.decide({
        nowMs: this.nowMs,
        level: ratio >= 0.92 ? 'critical' : ratio >= 0.85 ? 'shedding' : ratio >= 0.75 ? 'warning' : 'ok',
        heldBytes: ratio * limitBytes,
        limitBytes,
        secondsToLimit: null,
        growthBytesPerSecond: null,
        collections: 'useless',
        inFlight: 2,
        typicalWorkMs: null,
        catchesSigterm: true,
        ...rest,
      });
      if (decision.recycle) {
        this.recycles.push({ atMs: this.nowMs, reason: decision.reason });
        this.plan.recycled(this.nowMs);
        return (this.nowMs - startMs) / 1000;
      }
      this.why = decision.why;
    }
    return null;
  }

  old(): this {
    expect(this.stands(60, {})).toBeNull();
    return this;
  }

  reborn(seconds = 60): this {
    this.plan.born(this.nowMs);
    expect(this.stands(seconds, {})).toBeNull();
    return this;
  }
}

/** Rises to the limit at this speed, in percent of the limit a second, from this ratio. */
const rises =
  (from: number, percentPerSecond: number, more: State = {}) =>
  (second: number): State => {
    const ratio = from + (percentPerSecond / 100) * second;
    return { ratio, secondsToLimit: (1 - ratio) / (percentPerSecond / 100), ...more };
  };

describe('a kill that is near', () => {
  it('is foreseen in time for what is in work to end, and not earlier', () => {
    const seconds = new Story().old().stands(60, rises(0.76, 2));
    // 12 s to the limit: 3 s of work and 1.5 s of margin before that, and half a second to be sure
    expect(seconds).toBeCloseTo(8, 0);
  });

  it.each([
    ['what usually takes 2 s', { typicalWorkMs: 2000 }, 2, 7.5], // of 8 until critical, 12 until the limit
    ['what usually takes a minute, of which 10 s are waited for', { typicalWorkMs: 60_000 }, 2, 2], // at warning it has to stand for longer
    ['no work', { inFlight: 0 }, 4, 3.5], // of 4 and 6
    ['work that cannot be counted', { inFlight: null }, 2, 8],
  ])('leaves time for %s', (_, state, percent, after) => {
    const seconds = new Story().old().stands(60, rises(0.76, percent, state));
    expect(seconds).toBeGreaterThanOrEqual(after - 0.1);
    expect(seconds).toBeLessThan(after + 1);
  });

  it('is met at critical at the latest, however far it is', () => {
    const story = new Story().old();
    const seconds = story.stands(600, rises(0.9, 0.05));
    expect(seconds).toBeCloseTo(40, 0);
    expect(story.recycles[0]?.reason).toMatch(/^use still rises and meets the limit in about 2 min 40 s/);
  });

  it('is not believed of one step to critical that lies flat', () => {
    expect(new Story().old().stands(2, { ratio: 0.93, secondsToLimit: 0.1 })).toBeNull();
  });

  it('is not believed of a forecast that goes on after the rise has ended', () => {
    const story = new Story();
    expect(story.stands(7, rises(0.8, 1))).toBeNull(); // younger than 10 s: barred for that alone
    const rests = (second: number) => ({ ratio: 0.88 + second * 0.0003, secondsToLimit: 1.1 });
    expect(story.stands(20, rests)).toBeNull();
  });

  it('is not believed below the warning level, nor from a moment', () => {
    expect(new Story().old().stands(20, { ratio: 0.7, secondsToLimit: 2 })).toBeNull();
    const story = new Story().old();
    for (let i = 0; i < 10; i++) {
      expect(story.stands(0.4, { ratio: 0.8, secondsToLimit: 2 })).toBeNull();
      expect(story.stands(0.4, { ratio: 0.8 })).toBeNull();
    }
  });
});

describe('an agent stuck at critical', () => {
  it('is recycled soon with nothing in work, later with work that may end', () => {
    expect(new Story().old().stands(60, { ratio: 0.94, inFlight: 0 })).toBeCloseTo(3, 0);
    expect(new Story().old().stands(60, { ratio: 0.94, inFlight: 1 })).toBeCloseTo(15, 0);
    expect(new Story().old().stands(60, { ratio: 0.94, inFlight: null })).toBeCloseTo(15, 0);
  });

  it('is not while use falls, and is once it no longer does', () => {
    const story = new Story().old();
    const falls = (second: number) => ({
      ratio: 0.99 - second / 500,
      growthBytesPerSecond: -LIMIT / 500,
      inFlight: 0,
    });
    expect(story.stands(30, falls)).toBeNull();
    expect(story.stands(30, { ratio: 0.93, inFlight: 0 })).not.toBeNull();
  });

  it('is whichever limit is the nearer one', () => {
    const story = new Story().old();
    const turns = (second: number) => ({
      ratio: 0.94,
      inFlight: 0,
      limitBytes: Math.floor(second * 5) % 2 === 0 ? LIMIT : LIMIT / 2,
    });
    expect(story.stands(60, turns)).toBeCloseTo(3, 0);
  });

  it('is also where it cannot be collected', () => {
    const story = new Story().old();
    expect(story.stands(60, { ratio: 0.94, inFlight: 0, collections: 'impossible' })).toBeCloseTo(3, 0);
    expect(story.recycles[0]?.reason).toBe(
      'stuck at critical: use has not fallen for 3.0 s; it cannot be collected; nothing is in work',
    );
  });
});

describe('nobody is recycled', () => {
  it.each([
    ['idle and flat below critical', { ratio: 0.88, inFlight: 0 }],
    ['with a collection that is worth trying', { ratio: 0.97, inFlight: 0, collections: 'pending' }],
    [
      'whose collections still bring something, though the kill is near',
      { ratio: 0.97, secondsToLimit: 1, collections: 'useful' },
    ],
    ['without need', { ratio: 0.6 }],
  ] as const)('%s', (_, state) => {
    expect(new Story().old().stands(600, state)).toBeNull();
  });

  it('younger than 10 s', () => {
    expect(new Story().stands(60, { ratio: 0.95, inFlight: 0 })).toBeCloseTo(10, 0);
  });

  it.each([
    ['off', {}, {}, /off/],
    ['auto', { restarted: false }, {}, /nobody would start it again/],
    ['auto', {}, { catchesSigterm: false }, /SIGTERM/],
  ] as const)('with %s and %j, %j', (mode, options, state, why) => {
    const story = new Story({ mode, ...options }).old();
    expect(story.stands(60, { ratio: 0.95, inFlight: 0, ...state })).toBeNull();
    expect(story.why).toMatch(why);
  });

  it('but those asked for by `on`', () => {
    const story = new Story({ mode: 'on', restarted: false }).old();
    expect(story.stands(60, { ratio: 0.95, inFlight: 0, catchesSigterm: false })).not.toBeNull();
  });
});

describe('the budget', () => {
  const STUCK = { ratio: 0.95, inFlight: 0 };

  it('waits 30 s, 1, 2, 4 … 30 min between recycles', () => {
    const story = new Story().old();
    story.stands(60, STUCK);
    const waits = Array.from({ length: 9 }, () => {
      const { atMs = 0 } = story.recycles.at(-1) ?? {};
      story.reborn(25);
      story.stands(4000, STUCK);
      return Math.round(((story.recycles.at(-1)?.atMs ?? 0) - atMs) / 1000);
    });
    expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
  });

  it('lets five go by, in order, where each time a kill is near, and then waits', () => {
    const story = new Story().old();
    story.stands(60, rises(0.9, 2));
    const waits = Array.from({ length: 7 }, () => {
      const { atMs = 0 } = story.recycles.at(-1) ?? {};
      story.reborn(25);
      story.stands(4000, (second) => ({ ...rises(0.93, 0.1)(second % 60), secondsToLimit: 4.4 }));
      return Math.round(((story.recycles.at(-1)?.atMs ?? 0) - atMs) / 1000);
    });
    expect(waits.slice(0, 4).every((wait) => wait < 30)).toBe(true);
    expect(waits.slice(4)).toEqual([30, 60, 120]);
  });

  it('begins anew after two healthy minutes', () => {
    const story = new Story().old();
    story.stands(60, STUCK);
    for (let i = 0; i < 5; i++) {
      story.reborn(25);
      story.stands(4000, STUCK);
    }
    story.reborn(121);
    expect(story.stands(60, STUCK)).toBeCloseTo(3, 0);
    story.reborn(25);
    expect(story.stands(60, STUCK)).toBeLessThan(10);
  });

  it('is spent where the agent needs more than it has: that is said, and it is left alone', () => {
    const story = new Story().old();
    story.stands(60, STUCK);
    story.reborn(5);
    expect(story.stands(1000, STUCK)).toBeNull();
    expect(story.plan.needsMore).toMatch(
      /^8\.\d s after it was recycled, it holds 486 MiB of 512 MiB again: it needs more memory than it has; raise its limit$/,
    );
    expect(story.why).toBe(story.plan.needsMore);
  });

  it.each([
    ['a higher limit', 2 * LIMIT, 30],
    ['two healthy minutes', LIMIT, 121],
  ])('is there again after %s', (_, limitBytes, seconds) => {
    const story = new Story().old();
    story.stands(60, STUCK);
    story.reborn(5);
    story.stands(60, STUCK);
    story.limitBytes = limitBytes;
    story.stands(seconds, {});
    expect(story.stands(60, STUCK)).not.toBeNull();
    expect(story.plan.needsMore).toBeNull();
  });

  it('is not spent by a life that ended by itself', () => {
    const story = new Story().old();
    story.stands(60, STUCK);
    story.reborn(100);
    story.reborn(0); // killed, and back
    expect(story.stands(60, STUCK)).toBeCloseTo(10, 0);
  });

  it('ends with an agent that does not hear SIGTERM, until its next life', () => {
    const story = new Story().old();
    story.stands(60, STUCK);
    story.plan.leftAlone();
    expect(story.stands(4000, STUCK)).toBeNull();
    expect(story.why).toContain('SIGTERM');
    story.reborn(25);
    expect(story.stands(60, STUCK)).not.toBeNull();
  });
});
