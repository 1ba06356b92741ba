import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DRAWN, type DrawnLoad, drawLoads } from '../../../bench/goodput/drawn-loads.ts';
import { KINDS, type Kind, type KindName, SDKS } from '../../../bench/goodput/kinds.ts';

const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const DIRECTORY = '/files';
const NAMES = Object.keys(KINDS) as KindName[];
const kindOf = (load: DrawnLoad): Kind => KINDS[load.kind];
const RUNS = { numRuns: 10 };
const digest = (load: DrawnLoad) => JSON.stringify({ ...load, arrivals: load.arrivals(DIRECTORY) });

describe('the loads of a seed', () => {
  it('are the same each time', () => {
    fc.assert(
      fc.property(seed, (each) => {
        expect(drawLoads(each).map(digest)).toEqual(drawLoads(each).map(digest));
      }),
      { numRuns: 5 },
    );
  });

  it('differ from those of another', () => {
    fc.assert(
      fc.property(seed, (each) => {
        const others = new Set(drawLoads((each + 1) % 2 ** 32).map(({ about }) => about));
        expect(drawLoads(each).some(({ about }) => others.has(about))).toBe(false);
      }),
      RUNS,
    );
  });

  it('hold each kind once in every eight, on each SDK, and once for three replicas', () => {
    fc.assert(
      fc.property(seed, (each) => {
        const loads = drawLoads(each);
        expect(loads).toHaveLength(DRAWN);
        for (let from = 0; from < DRAWN; from += NAMES.length)
          expect(new Set(loads.slice(from, from + NAMES.length).map(({ kind }) => kind))).toEqual(
            new Set(NAMES),
          );
        for (const name of NAMES) {
          const ofKind = loads.filter(({ kind }) => kind === name);
          expect(ofKind.map(({ sdk }) => sdk).toSorted()).toEqual([...SDKS].toSorted());
          expect(ofKind.map(({ replicas }) => replicas).toSorted()).toEqual([1, 1, 3]);
        }
      }),
      RUNS,
    );
  });

  it('are within the bounds of their kind', () => {
    fc.assert(
      fc.property(seed, (each) => {
        for (const load of drawLoads(each)) {
          const { limitsMiB, limitsOfThreeMiB, ranges } = kindOf(load);
          expect(load.replicas === 1 ? limitsMiB : limitsOfThreeMiB).toContain(load.limitMiB);
          expect(load.limitMiB).toBeGreaterThanOrEqual(192);
          expect(load.limitMiB).toBeLessThanOrEqual(1024);
          expect(Object.keys(load.drawn)).toEqual(Object.keys(ranges));
          for (const [key, [least, most]] of Object.entries(ranges)) {
            expect(load.drawn[key]).toBeGreaterThanOrEqual(least);
            expect(load.drawn[key]).toBeLessThanOrEqual(most);
          }
          // a single page or document leaves room for another
          expect(load.bytes).toBeLessThan((load.limitMiB * 2 ** 20) / 5);
        }
      }),
      RUNS,
    );
  });

  it('arrive in order, within their time, and some each few seconds', () => {
    fc.assert(
      fc.property(seed, (each) => {
        for (const load of drawLoads(each)) {
          const times = load.arrivals(DIRECTORY).map(({ atMs }) => atMs);
          expect(times).toEqual(times.toSorted((a, b) => a - b));
          expect(times[0]).toBeGreaterThanOrEqual(0);
          expect(times.at(-1)).toBeLessThan(kindOf(load).seconds * 1000);
          expect(times.length).toBeGreaterThan(10);
        }
      }),
      RUNS,
    );
  });

  it('say in their title all that was drawn', () => {
    for (const load of drawLoads(7)) {
      expect(load.about).toContain(load.kind);
      expect(load.about).toContain(`${load.replicas} × ${load.limitMiB} MiB`);
      for (const [key, value] of Object.entries(load.drawn)) expect(load.about).toContain(`${key} ${value}`);
    }
  });
});

describe('a load', () => {
  it.each(NAMES)('of kind %s grows with its limit', (name) => {
    const kind: Kind = KINDS[name];
    const drawn = Object.fromEntries(Object.entries(kind.ranges).map(([key, [least]]) => [key, least]));
    const place = { sdk: 'openai', replicas: 1, seconds: kind.seconds } as const;
    const [small = 0, large = 0] = [512, 1024].map((limitMiB) => kind.bytes(drawn, { ...place, limitMiB }));
    expect(large).toBeGreaterThanOrEqual(small * (small > 0 ? 1.5 : 1));
  });
});
