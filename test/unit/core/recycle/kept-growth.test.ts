import { describe, expect, it } from 'vitest';
import { KeptGrowth, type LastingGrowth } from '../../../../src/core/recycle/kept-growth.ts';

const MIB = 2 ** 20;
const LIMIT_MIB = 512;

interface At {
  mib: number;
  inFlight?: number | null;
  running?: number | null;
  admittedPerSecond?: number | null;
  cpuCores?: number | null;
}

/** What is known of the growth after so many seconds of such a life. */
function grownAfter(seconds: number, at: (second: number) => At, collected = true): LastingGrowth | null {
  const kept = new KeptGrowth();
  let last = 0;
  for (let ms = 0; ms <= seconds * 1000; ms += 100) {
    const { mib, inFlight = 2, running = null, admittedPerSecond = null, cpuCores = 0.5 } = at(ms / 1000);
    last = mib;
    kept.add({ nowMs: 1e6 + ms, usedBytes: mib * MIB, inFlight, running, admittedPerSecond, cpuCores });
  }
  return kept.lasting({ leftBytes: (LIMIT_MIB - last) * MIB, limitBytes: LIMIT_MIB * MIB, collected });
}

/** From 100 MiB by so many a second until then. */
const ramp = (mibPerSecond: number, until: number) => (second: number) =>
  100 + mibPerSecond * Math.min(second, until);

describe('KeptGrowth', () => {
  it('lasts where memory has grown evenly, and tells how long that leaves', () => {
    const growth = grownAfter(35, (second) => ({ mib: ramp(10, 99)(second) }));
    expect(growth?.grownSeconds).toBeCloseTo(30, -1);
    expect(growth?.secondsToLimit).toBeCloseTo(6.2, 0);
  });

  it.each([
    ['nothing is in flight', { inFlight: 0 }],
    ['no CPU is used', { inFlight: null, cpuCores: 0 }],
  ])('survives a rest of any length while %s', (_, idle) => {
    const growing = ramp(10, 35);
    const growth = grownAfter(600, (second) => ({ mib: growing(second), ...(second > 35 ? idle : {}) }));
    expect(growth?.secondsToLimit).toBeCloseTo(6.2, 0);
  });

  it('ends with a rest while work goes on', () => {
    expect(grownAfter(40, (second) => ({ mib: ramp(10, 35)(second) }))).not.toBeNull();
    expect(grownAfter(60, (second) => ({ mib: ramp(10, 35)(second) }))).toBeNull();
  });

  it('is none of a burst, however much it leaves', () => {
    const burst = (second: number) => 100 + 340 * Math.min(1, Math.max(0, (second - 20) / 5));
    expect(grownAfter(30, (second) => ({ mib: burst(second), inFlight: second > 25 ? 0 : 2 }))).toBeNull();
  });

  it('is none of a burst after a long rest, however old the agent is', () => {
    expect(grownAfter(3000, (second) => ({ mib: second < 2980 ? 100 : 450 }))).toBeNull();
  });

  it('is none of what the process fills while it starts', () => {
    expect(grownAfter(60, (second) => ({ mib: Math.min(440, 100 * second) }))).toBeNull();
  });

  it('is none while more is left than it has grown by', () => {
    expect(grownAfter(15, (second) => ({ mib: ramp(10, 99)(second) }))).toBeNull();
  });

  it('is none of a cache that fills ever more slowly', () => {
    expect(grownAfter(120, (second) => ({ mib: 100 + 350 * (1 - Math.exp(-second / 30)) }))).toBeNull();
  });

  it.each([true, false])('is none of garbage, collected from outside: %s', (collected) => {
    const tooth = (second: number) => 150 + 270 * ((second % 20) / 20);
    expect(grownAfter(198, (second) => ({ mib: collected ? 150 : tooth(second) }), collected)).toBeNull();
  });

  it('tells the growth of the largest stretch between two pauses, once it has gone on after one', () => {
    const step = (second: number) => 100 + 80 * Math.floor(second / 20) + 80 * Math.min(1, (second % 20) / 4);
    expect(grownAfter(35, (second) => ({ mib: step(second) }))?.stretchBytes ?? null).toBeNull();
    const stretchMib = (grownAfter(79, (second) => ({ mib: step(second) }))?.stretchBytes ?? 0) / MIB;
    expect(Math.abs(stretchMib - 80)).toBeLessThan(10);
  });

  it.each([
    { running: (second: number) => 1 + 5 * second, lasts: false },
    { running: (second: number) => (second < 34 ? 1 + 5 * second : 3), lasts: true }, // they have ended, and use stays
    { running: () => 170, lasts: true },
    { running: (second: number) => 4 + (second % 5), lasts: true },
    { running: () => null, lasts: true },
  ])('is none of what ever more requests in flight hold: %o', ({ running, lasts }) => {
    const growth = grownAfter(35, (second) => ({ mib: ramp(10, 99)(second), running: running(second) }));
    expect(growth !== null).toBe(lasts);
  });

  it.each([
    {
      does: 'as much with each request',
      admittedPerSecond: (second: number) => (second < 25 ? 25 : 5),
      lasts: true,
    },
    { does: 'ever less with each request', admittedPerSecond: () => 25, lasts: false },
    { does: 'by other work than requests', admittedPerSecond: () => 0.1, lasts: false },
    { does: 'by an unknown number of them', admittedPerSecond: () => null, lasts: false },
  ])('goes by the work that is done: it grows $does', ({ admittedPerSecond, lasts }) => {
    // a gate lets through a fifth of it from 25 s on
    const mib = (second: number) => 100 + 12 * Math.min(second, 25) + 2.4 * Math.max(0, second - 25);
    const growth = grownAfter(60, (second) => ({
      mib: mib(second),
      admittedPerSecond: admittedPerSecond(second),
    }));
    expect(growth !== null).toBe(lasts);
  });

  it('goes by requests from the first one on: before it no hook knows of any', () => {
    const mib = (second: number) => 100 + 12 * Math.min(second, 25) + 2.4 * Math.max(0, second - 25);
    const growth = grownAfter(70, (second) => ({
      mib: mib(Math.max(0, second - 10)),
      inFlight: second < 10 ? null : 2,
      admittedPerSecond: second < 10 ? null : second < 35 ? 25 : 5,
    }));
    expect(growth).not.toBeNull();
  });

  it.each([10, null])('is none of a cache filled by short requests: %s/s', (admittedPerSecond) => {
    const growth = grownAfter(120, (second) => ({
      mib: 100 + 350 * (1 - Math.exp(-second / 30)),
      // known from the warning level on, and seen at one look in ten
      inFlight: second < 50 ? null : second % 1 < 0.05 ? 1 : 0,
      admittedPerSecond,
    }));
    expect(growth).toBeNull();
  });

  it('is none of a cache filled by a few requests with long pauses between them', () => {
    const growth = grownAfter(400, (second) => {
      const inFlight = second % 20 < 0.5 ? 1 : 0;
      return {
        mib: 100 + 350 * (1 - Math.exp((-20 * Math.floor(second / 20)) / 100)),
        inFlight: second < 160 ? null : inFlight,
        running: inFlight,
        admittedPerSecond: 0.05,
      };
    });
    expect(growth).toBeNull();
  });

  it.each([
    { before: 'as much work', admittedPerSecond: () => null },
    { before: 'many requests', admittedPerSecond: (second: number) => (second < 300 ? 50 : 2) },
    { before: 'as many requests', admittedPerSecond: () => 10 },
  ])('is none of a cache that fills up later in life, after $before', ({ admittedPerSecond }) => {
    const mib = (second: number) =>
      second < 300 ? 100 + 0.2 * second : 160 + 290 * (1 - Math.exp((300 - second) / 20));
    const of = (seconds: number) =>
      grownAfter(seconds, (second) => ({ mib: mib(second), admittedPerSecond: admittedPerSecond(second) }));
    expect([of(380), of(500)]).toEqual([null, null]);
  });

  it('holds a long life in bounded memory, at the same pace', () => {
    const growth = grownAfter(4000, (second) => ({ mib: 100 + 0.09 * second }));
    expect(growth?.grownSeconds).toBeCloseTo(4000, -3);
    expect(growth?.secondsToLimit).toBeCloseTo(578, -2);
  });

  it('goes on with fewer in flight once the agent is drained for it', () => {
    const kept = new KeptGrowth();
    const add = (second: number, mib: number, running: number) =>
      kept.add({
        ...{
          nowMs: 1000 * second,
          usedBytes: mib * MIB,
          inFlight: running,
          running,
          admittedPerSecond: null,
          cpuCores: 0.5,
        },
      });
    // a cache fills up, and then something grows
    const at = (second: number) => 100 + 10 * Math.min(second, 30) + 1.2 * Math.max(0, second - 70);
    for (let second = 0; second < 125; second += 0.1) add(second, at(second), second < 65 ? 10 : 100);
    const room = { leftBytes: 48 * MIB, limitBytes: LIMIT_MIB * MIB, collected: true };
    expect(kept.lasting(room)).not.toBeNull();
    for (let second = 125; second < 127; second += 0.1) add(second, at(125), 10);
    expect(kept.lasting({ ...room, begun: true })).not.toBeNull();
    add(128, at(125), 10);
    expect(kept.lasting(room), 'against all of its life').toBeNull();
  });

  it('knows nothing of the life before', () => {
    const kept = new KeptGrowth();
    for (let ms = 0; ms <= 35_000; ms += 250)
      kept.add({
        nowMs: ms,
        usedBytes: ramp(10, 99)(ms / 1000) * MIB,
        inFlight: 2,
        running: 2,
        admittedPerSecond: null,
        cpuCores: 0.5,
      });
    kept.reset();
    const room = { leftBytes: 60 * MIB, limitBytes: LIMIT_MIB * MIB, collected: true };
    expect(kept.lasting(room)).toBeNull();
  });
});
