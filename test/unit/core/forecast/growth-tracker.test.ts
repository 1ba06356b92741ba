import { describe, expect, it } from 'vitest';
import { type GrowthOutlook, GrowthTracker } from '../../../../src/core/forecast/growth-tracker.ts';
import { MIB, normal, random, tell, tooth } from '../../../support/memory-stories.ts';

const LIMIT = 512 * MIB;
const mibPerSecond = ({ growthBytesPerSecond }: GrowthOutlook) => (growthBytesPerSecond ?? Number.NaN) / MIB;

describe('growth', () => {
  it('is not known at first', () => {
    expect(new GrowthTracker().assess(0)).toEqual({
      growthBytesPerSecond: null,
      secondsToLimit: null,
      range: null,
      risingSeconds: 0,
    });
    expect(tell({ seconds: 3, held: () => 50 * MIB }).assess(3000).growthBytesPerSecond).toBeNull();
  });

  it.each([700, 5_000, 20_000])('is 0 for a saw-tooth of %i ms without trend', (period) => {
    const watched: number[] = [];
    const uniform = random(period);
    tell({
      seconds: 240,
      held: (ms) => (60 + 60 * tooth(ms, period) + 0.3 * normal(uniform)) * MIB,
      watch: (ms, tracker) => {
        if (ms > 2 * period + 14_000) watched.push(mibPerSecond(tracker.assess(ms)));
      },
    });
    expect(watched.filter((growth) => Math.abs(growth) > 0.1).length / watched.length).toBeLessThan(0.02);
  });

  it.each([
    [0.5, 1_000],
    [1, 5_000],
    [1, 20_000],
  ])('is the slope of the floor: %d MiB/s under teeth of %i ms', (slope, period) => {
    const held = (ms: number) => (60 + (slope * ms) / 1000 + 50 * tooth(ms, period)) * MIB;
    const growth = mibPerSecond(tell({ seconds: 115, held }).assess(115_000));
    expect(growth).toBeGreaterThan(0.9 * slope);
    expect(growth).toBeLessThan(1.1 * slope);
  });

  it.each([5, 20, 50])('sees a burst within 4 samples at %i ms', (everyMs) => {
    const tracker = new GrowthTracker();
    const uniform = random(everyMs);
    const flat = () => (100 + 0.1 * normal(uniform)) * MIB;
    tell({ seconds: 40, everyMs, held: flat, tracker });
    const samples = Math.max(4, Math.ceil(20 / everyMs));
    for (let i = 1; i <= samples; i++)
      tracker.add(40_000 + i * everyMs, 100 * MIB + i * everyMs * 0.5 * MIB, LIMIT);
    const outlook = tracker.assess(40_000 + samples * everyMs);
    expect(mibPerSecond(outlook)).toBeGreaterThan(350);
    expect(outlook.secondsToLimit).toBeLessThan(1.2);
    expect(outlook.range?.[1], 'a burst may end at any moment').toBeNull();
  });

  it('says nothing of a limit once a collection has given back what had grown', () => {
    const tracker = tell({ seconds: 30, held: (ms) => (40 + (14 * ms) / 1000) * MIB });
    expect(mibPerSecond(tracker.assess(30_000))).toBeGreaterThan(10);
    for (let ms = 30_050; ms <= 31_000; ms += 50) tracker.add(ms, 60 * MIB, LIMIT);
    expect(tracker.assess(31_000)).toMatchObject({ growthBytesPerSecond: 0, secondsToLimit: null });
  });

  it('does not see the limit met by peaks that have fallen since', () => {
    const watched: number[] = [];
    const held = (ms: number) => (40 + (4 * ms) / 1000 + 300 * tooth(ms, 12_000)) * MIB;
    const watch = (ms: number, tracker: GrowthTracker) => {
      const { secondsToLimit } = tracker.assess(ms);
      if (held(ms) < LIMIT / 2 && secondsToLimit !== null) watched.push(secondsToLimit);
    };
    tell({ seconds: 40, limitBytes: LIMIT, held, watch });
    expect(Math.min(...watched)).toBeGreaterThan(1);
  });

  it('does not take a single odd reading for a burst', () => {
    const tracker = tell({ seconds: 40, held: () => 100 * MIB });
    tracker.add(40_050, 108 * MIB, LIMIT);
    expect(mibPerSecond(tracker.assess(40_050))).toBe(0);
  });

  it('is 0 again within 2 s after a step, and stays so', () => {
    const uniform = random(5);
    const after: number[] = [];
    tell({
      seconds: 240,
      held: (ms) => (60 + 100 * Math.min(1, Math.max(0, (ms - 100_000) / 300)) + 0.2 * normal(uniform)) * MIB,
      watch: (ms, tracker) => {
        if (ms > 102_000) after.push(mibPerSecond(tracker.assess(ms)));
      },
    });
    expect(Math.max(...after)).toBeLessThan(0.5);
    expect(after.filter((growth) => growth > 0.05).length / after.length).toBeLessThan(0.25);
  });

  it('forgets the ramp of a start within 15 s of the plateau', () => {
    const uniform = random(6);
    const held = (ms: number) => (10 + Math.min(ms / 100, 80) + 0.2 * normal(uniform)) * MIB;
    const growth = mibPerSecond(tell({ seconds: 26, held }).assess(26_000));
    expect(Math.abs(growth)).toBeLessThan(0.2);
  });

  /** Filled for a minute at 2.7 MiB/s, with teeth or without; then it rests. */
  const filled = (toothMib: number) => (ms: number) => {
    const second = ms / 1000;
    return 60 + 2.7 * Math.min(second, 60) + (second < 60 ? toothMib * tooth(ms, 3_000) : toothMib);
  };

  it.each([
    0, 20,
  ])('foresees no limit once use rests, nor is that revived by a collection (teeth of %i MiB)', (mib) => {
    const uniform = random(7);
    const held = (ms: number) => {
      const collected = [70, 75, 80].filter((second) => ms > second * 1000).length * 8;
      return (filled(mib)(ms) - collected + 0.2 * normal(uniform)) * MIB;
    };
    const seconds: number[] = [];
    const watch = (ms: number, tracker: GrowthTracker) => {
      if (tracker.assess(ms).secondsToLimit !== null) seconds.push(ms / 1000);
    };
    tell({ seconds: 120, limitBytes: 256 * MIB, held, watch });
    expect(seconds.filter((second) => second > 20 && second < 59).length, 'while it is filled').toBe(155);
    expect(Math.max(...seconds)).toBeLessThan(60 + 8);
  });

  it('goes on through the pauses of a rise in steps', () => {
    const unseen: number[] = [];
    const watch = (ms: number, tracker: GrowthTracker) => {
      if (ms > 30_000 && tracker.assess(ms).secondsToLimit === null) unseen.push(ms);
    };
    tell({ seconds: 120, held: (ms) => (60 + 20 * Math.floor(ms / 7_000)) * MIB, watch });
    expect(unseen).toEqual([]);
  });

  it('is seen within 16 s where it begins after a long rest', () => {
    const tracker = tell({
      seconds: 136,
      held: (ms) => (450 + Math.max(0, ms / 1000 - 120)) * MIB,
    });
    expect(mibPerSecond(tracker.assess(136_000))).toBeGreaterThan(0.8);
    expect(tracker.assess(136_000).secondsToLimit).toBeGreaterThan(40);
    expect(tracker.assess(136_000).risingSeconds).toBeLessThan(20);
  });

  it('of a burst is over half a second after its end, and tells how long it went on', () => {
    const tracker = tell({ seconds: 20, held: () => 148 * MIB });
    const end = 22_400;
    for (let ms = 20_050; ms <= end + 500; ms += 50) {
      tracker.add(ms, (148 + 25 * (Math.min(ms, end) / 1000 - 20)) * MIB, 256 * MIB);
      const { secondsToLimit, risingSeconds } = tracker.assess(ms);
      if (ms > 20_500 && ms <= end) {
        expect(secondsToLimit).toBeCloseTo((256 - 148) / 25 - (ms / 1000 - 20), 0);
        expect(risingSeconds).toBeCloseTo(ms / 1000 - 20, 0);
      }
    }
    expect(tracker.assess(end + 500).secondsToLimit).toBeNull();
  });

  it('survives a gap of minutes, samples that repeat, and a clock that goes back', () => {
    const tracker = tell({ seconds: 40, held: () => 100 * MIB });
    for (let ms = 400_000; ms <= 420_000; ms += 50) {
      tracker.add(ms, 130 * MIB, LIMIT);
      tracker.add(ms, 500 * MIB, LIMIT);
      tracker.add(ms - 30_000, 500 * MIB, LIMIT);
    }
    const { growthBytesPerSecond } = tracker.assess(420_000);
    expect(growthBytesPerSecond).toBe(0);
  });

  it('measures against a limit that was just changed', () => {
    const limitBytes = (ms: number) => (ms < 60_000 ? 512 : 1024) * MIB;
    const held = (ms: number) => (60 + ms / 1000) * MIB;
    const before = tell({ seconds: 59, held, limitBytes }).assess(59_000).secondsToLimit;
    const after = tell({ seconds: 60, held, limitBytes }).assess(60_000).secondsToLimit;
    expect(before).toBeCloseTo(512 - 60 - 59, -1);
    expect(after).toBeCloseTo(1024 - 60 - 60, -1);
  });

  it('knows nothing of the agent before', () => {
    const tracker = tell({ seconds: 60, held: (ms) => (60 + ms / 1000) * MIB });
    expect(mibPerSecond(tracker.assess(60_000))).toBeCloseTo(1);
    tracker.reset();
    tracker.add(60_050, 20 * MIB, LIMIT);
    expect(tracker.assess(60_050).growthBytesPerSecond).toBeNull();
  });
});

describe('forecast honesty', () => {
  /** Over many seeds: how often the truth (first sample at the limit) lies in the range, and the median error. */
  function honesty(make: (seed: number) => (ms: number) => number, seconds: number) {
    let told = 0;
    let inside = 0;
    const errors: number[] = [];
    for (let seed = 1; seed <= 25; seed++) {
      const future = make(seed);
      let end = 0;
      while (future(end) < LIMIT) end += 50;
      tell({
        seconds,
        held: make(seed),
        watch: (ms, tracker) => {
          const { secondsToLimit, range } = tracker.assess(ms);
          if (ms < 40_000 || ms % 10_000 !== 0 || secondsToLimit === null || range === null) return;
          const truth = (end - ms) / 1000;
          told++;
          if (truth >= range[0] && truth <= (range[1] ?? Number.POSITIVE_INFINITY)) inside++;
          errors.push(Math.abs(secondsToLimit - truth) / truth);
        },
      });
    }
    errors.sort((a, b) => a - b);
    return { told, coverage: inside / told, medianError: errors[errors.length >> 1]! };
  }

  it.each([
    [0.5, 3],
    [1, 1],
    [1, 4],
    [3, 8],
  ])('straight growth of %d MiB/s with noise of %d MiB', (slope, noise) => {
    const make = (seed: number) => {
      const uniform = random(seed);
      return (ms: number) => (50 + (slope * ms) / 1000 + noise * normal(uniform)) * MIB;
    };
    const { told, coverage, medianError } = honesty(make, Math.min(200, 300 / slope));
    expect(told).toBeGreaterThan(80);
    expect(coverage).toBeGreaterThanOrEqual(0.9);
    expect(medianError).toBeLessThan(0.25);
  });

  it.each([
    [0.5, 1, 15, 1],
    [1, 5, 40, 1],
    [1, 5, 40, 5],
    [1, 20, 60, 3],
    [2, 12, 80, 5],
  ])('floor rising by %d MiB/s under teeth of %i s and %i MiB, floors scattered by %d MiB', (slope, period, height, scatter) => {
    const make = (seed: number) => {
      const uniform = random(seed);
      const teeth = Array.from({ length: 1000 }, () => [
        scatter * normal(uniform),
        height * (1 + 0.15 * normal(uniform)),
      ]);
      return (ms: number) => {
        const [floor, amplitude] = teeth[Math.floor(ms / 1000 / period) % 1000] as [number, number];
        const jitter = 0.2 * normal(uniform);
        return (50 + (slope * ms) / 1000 + floor + amplitude * tooth(ms, period * 1000) + jitter) * MIB;
      };
    };
    const { told, coverage, medianError } = honesty(make, Math.min(200, 300 / slope));
    expect(told).toBeGreaterThan(80);
    expect(coverage).toBeGreaterThanOrEqual(0.9);
    expect(medianError).toBeLessThan(0.25);
  });
});
