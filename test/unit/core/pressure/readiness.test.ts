import { describe, expect, it } from 'vitest';
import type { Level } from '../../../../src/core/model/status.ts';
import {
  isReady,
  nextReadiness,
  READY,
  type ReadinessState,
  type ReclaimOutlook,
} from '../../../../src/core/pressure/readiness.ts';

const HOPELESS: ReclaimOutlook = { collecting: false, collected: false, working: false };
const HOPEFUL: ReclaimOutlook = { collecting: true, collected: false, working: true };
const LIMIT = 1000;
const SHED = { enterBytes: 850, leaveBytes: 800, calmBytes: 700 };

/** Readings 50 ms apart. */
class Readings {
  state: ReadinessState = READY;
  nowMs = 0;
  readonly alone: boolean;
  constructor(alone = false) {
    this.alone = alone;
  }
  for(
    seconds: number,
    level: Level,
    held: number | ((second: number) => number),
    hope?: ReclaimOutlook,
  ): this {
    const startMs = this.nowMs;
    while (this.nowMs < startMs + seconds * 1000) {
      this.nowMs += 50;
      const bytes = typeof held === 'number' ? held : held((this.nowMs - startMs) / 1000);
      this.state = nextReadiness(this.state, {
        ...{ level, heldBytes: bytes, limitBytes: LIMIT, nowMs: this.nowMs, alone: this.alone },
        ...{ maxUnreadyMs: 60_000, reclaim: hope, shed: SHED },
      });
    }
    return this;
  }
  get ready(): boolean {
    return isReady(this.state);
  }
}

describe('readiness', () => {
  it('is never touched below shedding, and costs no new state there', () => {
    const readings = new Readings().for(10, 'warning', 840, HOPELESS);
    expect(readings.state).toBe(READY);
  });

  it('closes at the first reading at shedding, whatever is hoped for', () => {
    for (const hope of [HOPELESS, HOPEFUL, undefined])
      expect(new Readings().for(0.05, 'shedding', 860, hope).ready).toBe(false);
  });

  it('opens a second after use has come to rest, where nothing can bring it down', () => {
    const readings = new Readings().for(2.5, 'shedding', (s) => 860 + 20 * s, HOPELESS);
    expect(readings.ready, 'rising').toBe(false);
    expect(readings.for(0.4, 'shedding', 910, HOPELESS).ready).toBe(false);
    expect(readings.for(1.5, 'shedding', 910, HOPELESS)).toMatchObject({ ready: true });
    expect(readings.state.stuck).toBe('hopeless');
  });

  it('waits longer where work in flight cannot be seen', () => {
    const unseen = { ...HOPELESS, working: null };
    expect(new Readings().for(2.9, 'shedding', 870, unseen).ready).toBe(false);
    expect(new Readings().for(3.2, 'shedding', 870, unseen).ready).toBe(true);
  });

  it('waits while work is in flight or a collection may help, up to the longest un-ready time', () => {
    for (const hope of [
      { ...HOPELESS, working: true },
      { ...HOPELESS, collecting: true },
    ]) {
      const readings = new Readings().for(59, 'shedding', 870, hope);
      expect(readings.ready).toBe(false);
      expect(readings.for(2, 'shedding', 870, hope).state.stuck).toBe('too_long');
    }
  });

  it('is not opened by swings about a value that does not fall', () => {
    const swings = new Readings().for(30, 'shedding', (s) => 880 + 15 * Math.sin(9 * s), HOPELESS);
    expect(swings.ready, 'no rest').toBe(false);
    swings.for(35, 'shedding', (s) => 880 + 15 * Math.sin(9 * s), HOPELESS);
    expect(swings.ready, 'but no end either').toBe(true);
  });

  it('once given up at shedding is tried once more at critical, and only once', () => {
    const readings = new Readings().for(3, 'shedding', 870, HOPELESS);
    expect(readings.for(0.05, 'critical', 930, HOPELESS).ready).toBe(false);
    expect(readings.for(3, 'critical', 930, HOPELESS).ready).toBe(true);
    readings.for(3, 'shedding', 880, HOPELESS).for(1, 'critical', 930, HOPELESS);
    expect(readings.ready).toBe(true);
  });

  it('opens at once when a collection has made room, although the level is held', () => {
    const collected = { ...HOPEFUL, collected: true };
    const readings = new Readings().for(1, 'critical', 930, HOPEFUL).for(0.05, 'critical', 500, collected);
    expect(readings).toMatchObject({ ready: true, state: { relieved: true, stuck: null } });
    readings.for(2, 'critical', 840, HOPEFUL);
    expect(readings.ready, 'below where shedding begins').toBe(true);
    readings.for(0.05, 'critical', 860, HOPEFUL);
    expect(readings.ready, 'back where it was').toBe(false);
  });

  it('opens as soon as a peak is over where no other replica takes the work meanwhile', () => {
    const peak = (alone: boolean) => new Readings(alone).for(0.3, 'critical', 940, HOPEFUL);
    expect(peak(true).ready).toBe(false);
    expect(peak(true).for(0.05, 'critical', 810, HOPEFUL).ready).toBe(true);
    expect(peak(false).for(0.05, 'critical', 810, HOPEFUL).ready).toBe(false);
    expect(peak(true).for(0.05, 'critical', 845, HOPEFUL).ready, 'just below').toBe(false);
    const peaks = peak(true).for(0.05, 'critical', 810, HOPEFUL).for(0.3, 'critical', 940, HOPEFUL);
    expect(peaks.for(5, 'critical', 810, HOPEFUL).ready, 'soon again').toBe(false);
    expect(peaks.for(5, 'critical', 810, HOPEFUL).ready).toBe(true);
    const again = peak(true).for(0.05, 'critical', 810, HOPEFUL).for(0.3, 'critical', 940, HOPEFUL);
    const calm = { ...HOPEFUL, collected: true };
    expect(again.for(0.05, 'critical', 690, calm).ready, 'at once where all is calm').toBe(true);
  });

  it('is opened early by a fall that no collection made only where that ends in calm', () => {
    const readings = new Readings().for(1, 'shedding', 870, HOPEFUL).for(1, 'shedding', 750, HOPEFUL);
    expect(readings.ready).toBe(false);
    expect(readings.for(0.05, 'shedding', 690, HOPEFUL).ready).toBe(true);
  });

  it('begins anew after each stretch', () => {
    const readings = new Readings().for(3, 'shedding', 870, HOPELESS).for(1, 'warning', 780, HOPELESS);
    expect(readings.state).toEqual(READY);
    expect(readings.for(0.5, 'shedding', 870, HOPELESS).ready).toBe(false);
  });

  it('is opened early by a collection once in ten seconds: it does not flap', () => {
    const collected = { ...HOPEFUL, collected: true };
    const readings = new Readings();
    const spike = () =>
      readings.for(0.5, 'shedding', 870, HOPEFUL).for(0.5, 'shedding', 750, collected).ready;
    expect(spike()).toBe(true);
    readings.for(0.5, 'warning', 750, HOPEFUL);
    expect([spike(), spike(), spike()]).toEqual([false, false, false]);
    readings.for(10, 'warning', 750, HOPEFUL);
    expect(spike()).toBe(true);
  });

  it('does not flap either where collections make it fall to where all is calm', () => {
    const collected = { ...HOPEFUL, collected: true };
    const readings = new Readings();
    const spike = () =>
      readings.for(0.5, 'shedding', 870, HOPEFUL).for(0.5, 'shedding', 690, collected).ready;
    expect([spike(), spike(), spike()]).toEqual([true, false, false]);
    readings.for(10, 'ok', 600, HOPEFUL);
    expect(spike()).toBe(true);
  });
});
