import { describe, expect, it } from 'vitest';
import { levelAt } from '../../../../src/core/pressure/level.ts';
import {
  type RecycleDecision,
  type RecycleInput,
  RecyclePlan,
  type RecyclePlanOptions,
} from '../../../../src/core/recycle/plan.ts';
import { DEFAULT_OPTIONS } from '../../../support/options.ts';

const MIB = 2 ** 20;
const LIMIT = 512 * MIB;
const STEP_MS = 50;

type State = Partial<Omit<RecycleInput, 'nowMs' | 'heldBytes'>> & { ratio?: number };

/** An agent on a clock of its own, which starts an hour after the guardian. */
class PlanStory {
  readonly plan: RecyclePlan;
  nowMs = 3_600_000;
  recycles: { atMs: number; secondsToLimit: number }[] = [];
  why: Extract<RecycleDecision, { recycle: false }>['why'] | undefined;
  limitBytes = LIMIT;

  constructor(options: Partial<RecyclePlanOptions> = {}) {
    this.plan = new RecyclePlan({
      mode: 'auto',
      restarted: true,
      thresholds: DEFAULT_OPTIONS,
      turn: null,
      kubelet: true,
      ...options,
    });
    this.plan.born(this.nowMs);
  }

  #input(state: State): RecycleInput {
    const { ratio = 0.5, limitBytes = this.limitBytes, ...rest } = state;
    return {
      nowMs: this.nowMs,
      level: levelAt(ratio, 0, DEFAULT_OPTIONS),
      heldBytes: ratio * limitBytes,
      limitBytes,
      running: null,
      admittedPerSecond: null,
      waiting: null,
      secondsToLimit: null,
      risingSeconds: 600,
      collections: 'useless',
      freeHeapBytes: 0,
      inFlight: 2,
      endsInSeconds: null,
      spared: false,
      handlesSigterm: true,
      ready: ratio < DEFAULT_OPTIONS.shedRatio,
      usedBytes: ratio * limitBytes,
      cpuCores: 0.5,
      heapLimited: false,
      heapBytes: null,
      leftRatio: ratio,
      ...rest,
    };
  }

  /** For so many seconds it stands like this; the seconds until it was decided to recycle it, or `null`. */
  stands(seconds: number, state: State | ((second: number) => State)): number | null {
    const startMs = this.nowMs;
    while (this.nowMs < startMs + seconds * 1000) {
      this.nowMs += STEP_MS;
      const now = typeof state === 'function' ? state((this.nowMs - startMs) / 1000) : state;
      const decision = this.plan.decide(this.#input(now));
      if (decision.recycle) {
        this.recycles.push({ atMs: this.nowMs, secondsToLimit: decision.reason.secondsToLimit });
        return (this.nowMs - startMs) / 1000;
      }
      this.why = decision.why;
    }
    return null;
  }

  /** The same, and it gets SIGTERM. */
  ends(seconds: number, state: State | ((second: number) => State)): number | null {
    const after = this.stands(seconds, state);
    if (after !== null) this.plan.terminated(this.nowMs);
    return after;
  }

  reconsiders(state: State) {
    this.nowMs += STEP_MS;
    return this.plan.reconsider(this.#input(state));
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
    return { ratio, secondsToLimit: (1 - ratio) / (percentPerSecond / 100), risingSeconds: second, ...more };
  };
/** The same, after it has risen for long. */
const goesOn = (from: number, percentPerSecond: number, more: State = {}) =>
  rises(from, percentPerSecond, { risingSeconds: 600, ...more });

describe('a kill that is near', () => {
  it('is foreseen in time for what is in work to end, and not earlier', () => {
    // 12 s to the limit: 3 s of work and 1.5 s of margin before that
    expect(new PlanStory().old().stands(60, goesOn(0.76, 2))).toBeCloseTo(7.5, 0);
  });

  it.each([
    { endsInSeconds: 5, seconds: 5.5 }, // 12 s to the limit
    { endsInSeconds: 0.1, seconds: 8 }, // critical; 9.5 otherwise
    { endsInSeconds: 600, seconds: 4.5 }, // where shedding begins
  ])('is foreseen in time for work that ends in $endsInSeconds s', ({ endsInSeconds, seconds }) => {
    expect(new PlanStory().old().stands(60, goesOn(0.76, 2, { endsInSeconds }))).toBeCloseTo(seconds, 0);
  });

  it('is no more believed of a burst for work that takes long', () => {
    // 12 s to the limit after a rise of 8 s, which then ends
    const burst = (risingSeconds: number): State => {
      const at = { ratio: 0.88, endsInSeconds: 15 };
      return risingSeconds < 8 ? { ...at, risingSeconds, secondsToLimit: 12 } : at;
    };
    expect(new PlanStory().old().stands(30, burst)).toBeNull();
  });

  it('is acted upon earlier at a moment with nothing in work, at the warning level too', () => {
    expect(new PlanStory().old().stands(60, goesOn(0.76, 1, { inFlight: 0 }))).toBeCloseTo(9, 0);
    expect(new PlanStory().old().stands(60, rises(0.76, 5, { inFlight: 0 })), 'a burst').toBeCloseTo(3.3, 0);
  });

  it.each([1, null])('with %s in work is nothing to be drained for at the warning level', (inFlight) => {
    expect(new PlanStory().old().stands(60, { ratio: 0.8, secondsToLimit: 1, inFlight })).toBeNull();
  });

  it('is met at critical at the latest, as far ahead as use has risen', () => {
    expect(new PlanStory().old().stands(600, goesOn(0.9, 0.05))).toBeCloseTo(40, 0);
    const story = new PlanStory().old();
    expect(story.stands(600, rises(0.9, 0.05)), 'of a younger rise').toBeCloseTo(100, 0);
    expect(story.recycles[0]?.secondsToLimit).toBeCloseTo(100, 0);
  });

  it('is further away where the heap has room inside', () => {
    const story = new PlanStory().old();
    const room = { freeHeapBytes: LIMIT, risingSeconds: 600 };
    expect(story.stands(600, goesOn(0.9, 0.05, room))).toBeCloseTo(200 - 4.5, 0);
  });

  it('is not believed of a rise shorter than what it has to go on for', () => {
    const state = { ratio: 0.93, secondsToLimit: 30, risingSeconds: 20 };
    expect(new PlanStory().old().stands(20, state)).toBeNull();
    expect(
      new PlanStory().old().stands(20, { ratio: 0.9, secondsToLimit: 2, risingSeconds: 0.5 }),
    ).toBeNull();
  });

  it('is none while a collection is worth a try, nor in the first second after', () => {
    const story = new PlanStory().old();
    const near = { ratio: 0.95, secondsToLimit: 2 };
    expect(story.stands(3, { ...near, collections: 'pending' })).toBeNull();
    expect(story.stands(3, { ...near, collections: 'useful' })).toBeNull();
    expect(story.stands(3, near)).toBeCloseTo(1, 0);
  });
});

describe("growth within V8's heap", () => {
  /** The container gave all that the heap takes long ago: there nothing moves. */
  const fills = (heapBytes: (ratio: number) => number | null) => (second: number) => {
    const ratio = 0.2 + 0.02 * second;
    return {
      ratio,
      heapLimited: true,
      heapBytes: heapBytes(ratio),
      usedBytes: LIMIT / 2,
      waiting: 0,
      inFlight: 3,
    };
  };
  const story = () => new PlanStory();

  it('ends the agent as it comes to the ratio up to which the gate admits freely', () => {
    expect(
      story().stands(
        60,
        fills((ratio) => ratio * LIMIT),
      ),
    ).toBeCloseTo(30, 0);
  });

  it('is unknown without the hook', () => {
    expect(
      story().stands(
        39,
        fills(() => null),
      ),
    ).toBeNull();
  });

  it('is none where collections free the heap again and again', () => {
    let step = 0;
    const sawtooth = (ratio: number) => (step++ % 40 === 0 ? 0.2 : ratio) * LIMIT;
    expect(story().stands(39, fills(sawtooth))).toBeNull();
  });
});

describe('the turns of replicas that fill alike', () => {
  const turns = Array.from({ length: 5 }, (_, i) => i / 4);

  it('spread over a minute where there is time', () => {
    const at = turns.map((turn) => new PlanStory({ turn }).old().stands(300, goesOn(0.8, 0.2)) ?? 0);
    // 100 s until the limit: from 64.5 s before on, to 4.5 s before, or its turn at critical
    expect(at.map(Math.round)).toEqual([36, 51, 66, 75, 80]);
  });

  it('begin with the growth, however long use has rested at critical', () => {
    const at = turns.map((turn) => {
      const story = new PlanStory({ turn }).old();
      expect(story.stands(600, { ratio: 0.93 })).toBeNull();
      return story.stands(300, rises(0.93, 0.2)) ?? 0;
    });
    // 35 s until the limit, believed after half of them
    expect(at.map(Math.round)).toEqual([18, 21, 24, 27, 31]);
  });

  it('are not waited for when the kill is next', () => {
    const at = turns.map((turn) => new PlanStory({ turn }).old().stands(60, goesOn(0.95, 2)) ?? 99);
    expect(Math.max(...at)).toBeLessThan(0.2);
  });
});

describe('nobody is recycled', () => {
  it.each([0.88, 0.95, 0.99, 1.01])('who rests, at %d', (ratio) => {
    for (const inFlight of [0, 2, null])
      expect(new PlanStory().old().stands(1000, { ratio, inFlight })).toBeNull();
  });

  it('below the warning level', () => {
    expect(new PlanStory().old().stands(20, { ratio: 0.7, secondsToLimit: 2, inFlight: 0 })).toBeNull();
  });

  it.each([false, true])('whose cache a few requests have filled, in its heap: %s', (heapLimited) => {
    const story = new PlanStory().old();
    const after = story.stands(420, (second) => {
      const ratio = 0.3 + 0.57 * (1 - Math.exp((-20 * Math.floor(second / 20)) / 100));
      const running = second % 20 < 0.5 ? 1 : 0;
      const [inFlight, heapBytes] = [ratio < 0.75 ? null : running, ratio * LIMIT];
      const inHeap = heapLimited ? { heapLimited, heapBytes, usedBytes: 0.5 * LIMIT } : {};
      return { ratio, running, inFlight, admittedPerSecond: 0.05, ...inHeap };
    });
    expect(after).toBeNull();
  });

  it('younger than 10 s', () => {
    expect(new PlanStory().stands(60, { ratio: 0.95, secondsToLimit: 3 })).toBeCloseTo(10, 0);
  });

  const NEAR = { ratio: 0.95, secondsToLimit: 3 };
  it.each([
    ['off', {}, {}, 'switched_off'],
    ['on', { restarted: false }, {}, 'no_restart_policy'],
    ['auto', { restarted: false }, {}, 'no_restart_policy'],
    ['auto', { restarted: null }, {}, 'restart_policy_unknown'],
    ['auto', {}, { handlesSigterm: false }, 'no_sigterm_handler'],
  ] as const)('with %s and %j, %j: %s', (mode, options, state, code) => {
    const story = new PlanStory({ mode, ...options }).old();
    expect(story.stands(60, { ...NEAR, ...state })).toBeNull();
    expect(story.why).toEqual({ code });
  });

  it('without a handler and with work in flight, where no gate can close, or its work went on when the gate was closed', () => {
    const story = new PlanStory().old();
    const gated = { ...NEAR, handlesSigterm: false, inFlight: 2, waiting: 0 };
    expect(story.stands(5, gated)).not.toBeNull();
    story.plan.workGoesOn(story.nowMs);
    expect(story.stands(59, gated)).toBeNull();
    expect(story.why).toEqual({ code: 'no_sigterm_handler' });
    expect(story.stands(5, gated)).not.toBeNull();
  });

  it('with a handler and work in flight that went on when the gate was closed, while use does not rise', () => {
    const story = new PlanStory().old();
    story.stands(60, (second) => ({ ratio: 0.4 + 0.0075 * second, waiting: 0 }));
    const gated = { ratio: 0.87, waiting: 0, cpuCores: 0 }; // streams
    expect(story.stands(5, gated)).not.toBeNull();
    story.plan.workGoesOn(story.nowMs);
    expect(story.stands(59, gated)).toBeNull();
    expect(story.why).toEqual({ code: 'work_in_flight' });
    expect(story.plan.awaits).toBe(false);
    expect(story.stands(5, gated)).not.toBeNull();
  });

  it('but those asked for by `on`', () => {
    const story = new PlanStory({ mode: 'on', restarted: null }).old();
    expect(story.stands(60, { ...NEAR, handlesSigterm: false })).not.toBeNull();
  });
});

describe('while it is drained it still has to end', () => {
  const begun = () => {
    const story = new PlanStory().old();
    expect(story.stands(10, { ratio: 0.95, secondsToLimit: 4 })).not.toBeNull();
    return story;
  };

  it('as long as the forecast stands, though it moves', () => {
    expect(begun().reconsiders({ ratio: 0.95, secondsToLimit: 5 })).toMatchObject({ kill: true });
  });

  it.each([
    ['the forecast is gone', { ratio: 0.95 }, 'not_rising'],
    [
      'use has fallen below shedding, whatever the level is held at',
      { ratio: 0.66, level: 'critical', secondsToLimit: 6 },
      'limit_not_near',
    ],
    [
      'the limit was raised',
      { ratio: 0.71, level: 'critical', secondsToLimit: 4, limitBytes: 2 * LIMIT },
      'limit_not_near',
    ],
    ['GC frees memory', { ratio: 0.95, secondsToLimit: 4, collections: 'useful' }, 'gc_frees'],
  ] as const)('unless %s', (_, state, code) => {
    const verdict = begun().reconsiders(state);
    expect(verdict).toMatchObject({ kill: false, why: { code } });
    expect(verdict).not.toHaveProperty('open');
  });

  it.each([0, 1, 2, 3, 4])('unless a collection has just freed what lasts, after %s readings', (readings) => {
    const story = new PlanStory().old();
    story.stands(28, (second) => ({ ratio: 0.5 + 0.0125 * second }));
    expect(story.stands(5, { ratio: 0.87, inFlight: 0 })).not.toBeNull();
    const now: State = { ratio: 0.93, collections: 'pending' };
    for (let i = 0; i < 90; i++) story.reconsiders({ ...now, ratio: Math.min(0.93, 0.87 + 0.000625 * i) });
    for (let i = 0; i < readings; i++) story.reconsiders(now);
    expect(story.reconsiders(now)).toMatchObject({ kill: false, open: true });
    expect(story.reconsiders({ ratio: 0.75, collections: 'useful' })).toMatchObject({ kill: false });
  });

  it('which a collection that runs leaves open', () => {
    const verdict = begun().reconsiders({ ratio: 0.95, secondsToLimit: 4, collections: 'pending' });
    expect(verdict).toMatchObject({ kill: false, why: { code: 'gc_may_free' }, open: true });
  });
});

describe('the budget', () => {
  const NEAR = { ratio: 0.95, secondsToLimit: 3, inFlight: 0 };
  /** Five are free. */
  const spent = () => {
    const story = new PlanStory().old();
    for (let i = 0; i < 5; i++) {
      expect(story.ends(60, NEAR)).not.toBeNull();
      story.reborn(25);
    }
    return story;
  };

  it('lets five go by, and then waits for 30 s, 1, 2, 4 … 30 min between recycles', () => {
    const story = spent();
    const waits = Array.from({ length: 9 }, () => {
      const { atMs = 0 } = story.recycles.at(-1) ?? {};
      story.ends(4000, NEAR);
      const wait = Math.round(((story.recycles.at(-1)?.atMs ?? 0) - atMs) / 1000);
      story.reborn(25);
      return wait;
    });
    expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
  });

  it('is not spent by one that was called off, nor is anything said of it later', () => {
    const story = new PlanStory().old();
    for (let i = 0; i < 20; i++) {
      expect(story.stands(60, NEAR), 'decided, and called off').toBeLessThan(1);
      expect(story.stands(2, { ratio: 0.8 })).toBeNull();
    }
    story.reborn(12);
    expect(story.stands(60, NEAR)).toBeLessThan(1);
    expect(story.plan.needsMore).toBeNull();
  });

  it('begins anew after two healthy minutes', () => {
    const story = spent();
    story.ends(60, NEAR);
    story.reborn(121);
    expect(story.ends(60, NEAR)).toBeLessThan(1);
    story.reborn(25);
    expect(story.ends(60, NEAR)).toBeLessThan(1);
  });

  it('is spent where the agent needs more than it has: that is said, and it is left alone', () => {
    const story = spent();
    story.ends(60, NEAR);
    story.reborn(5);
    expect(story.stands(1000, NEAR)).toBeNull();
    expect(story.plan.needsMore).toEqual({
      code: 'needs_more',
      ageSeconds: expect.closeTo(5, 0),
      heldBytes: 0.95 * LIMIT,
      limitBytes: LIMIT,
    });
    expect(story.why).toBe(story.plan.needsMore);
  });

  it.each([
    ['a higher limit', 2 * LIMIT, 30],
    ['two healthy minutes', LIMIT, 121],
  ])('is there again after %s', (_, limitBytes, seconds) => {
    const story = spent();
    story.ends(60, NEAR);
    story.reborn(5);
    story.stands(60, NEAR);
    story.limitBytes = limitBytes;
    story.stands(seconds, {});
    expect(story.stands(60, NEAR)).not.toBeNull();
    expect(story.plan.needsMore).toBeNull();
  });

  it('ends with an agent that was sent SIGTERM, until its next life', () => {
    const story = new PlanStory().old();
    story.ends(60, NEAR);
    expect(story.stands(4000, NEAR)).toBeNull();
    expect(story.why).toEqual({ code: 'sigterm_sent' });
    story.reborn(25);
    expect(story.stands(60, NEAR)).not.toBeNull();
  });

  it('knows how long kubelet waits before the next start', () => {
    const story = new PlanStory();
    const waits = Array.from({ length: 8 }, () => {
      story.reborn(25);
      return story.plan.kubeletWaitSeconds(story.nowMs);
    });
    expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
    story.stands(600, {});
    expect(story.plan.kubeletWaitSeconds(story.nowMs)).toBe(0);
    expect(new PlanStory().plan.kubeletWaitSeconds(3_600_000)).toBe(0);
  });
});
