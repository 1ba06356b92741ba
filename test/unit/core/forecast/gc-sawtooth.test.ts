import { describe, expect, it } from 'vitest';
import { GcSawtooth, visibleDropBytes } from '../../../../src/core/forecast/gc-sawtooth.ts';
import { MIB } from '../../../support/memory-stories.ts';

const LIMIT = 512 * MIB;

/** Teeth from heights in MiB, one sample every 100 ms. */
function bite(heights: number[]): GcSawtooth {
  const teeth = new GcSawtooth();
  heights.forEach((height, i) => {
    teeth.add(i * 100, height * MIB, LIMIT);
  });
  return teeth;
}
const rise = (from: number, to: number) =>
  Array.from({ length: 40 }, (_, i) => from + ((to - from) * i) / 39);

describe('Teeth', () => {
  it('leaves a floor and the size of the fall after each collection', () => {
    const teeth = bite([...rise(50, 100), 60, 55, ...rise(56, 110), 70, ...rise(71, 90)]);
    expect([...teeth.floors.slice().values]).toEqual([55 * MIB, 70 * MIB]);
    expect([...teeth.drops.slice().values]).toEqual([45 * MIB, 40 * MIB]);
    expect(teeth.lastPeak).toBe(110 * MIB);
    expect(teeth.largestDrop(0)).toBe(45 * MIB);
    expect(teeth.largestDrop(60_000)).toBe(0);
  });

  it('takes memory given back in pieces for one collection', () => {
    const teeth = bite([...rise(50, 150), 120, 120, 126, 90, 90, 97, 60, ...rise(60, 80)]);
    expect([...teeth.floors.slice().values]).toEqual([60 * MIB]);
  });

  it('does not see a fall below the visible', () => {
    expect(bite([...rise(50, 60), 56, ...rise(57, 61), 57, 58]).floors.length).toBe(0);
  });

  it('calls 1 % of the limit visible, between 2 and 16 MiB', () => {
    expect([64, 512, 16_384].map((mib) => visibleDropBytes(mib * MIB) / MIB)).toEqual([2, 5.12, 16]);
  });
});
