import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Level } from '../../../../src/core/model/status.ts';
import {
  Admission,
  admittedShare,
  parseWeight,
  STUCK_SHARE,
} from '../../../../src/core/pressure/admission.ts';
import { DEFAULT_OPTIONS } from '../../../support/options.ts';

const options = DEFAULT_OPTIONS;
const at = (ratio: number, level: Level = 'shedding') => ({ ratio, level, blind: false });

function admittedOf(admission: Admission, ratio: number, requests: number, weight?: number): number {
  let admitted = 0;
  for (let i = 0; i < requests; i++) if (admission.admit(at(ratio), weight)) admitted++;
  return admitted;
}

describe('admittedShare', () => {
  it('admits all below the shed ratio, also while the level is still held', () => {
    expect(admittedShare(at(0.849, 'ok'), options)).toBe(1);
    expect(admittedShare(at(0.81, 'shedding'), options)).toBe(1);
  });

  it('falls in a straight line from the shed ratio to the critical one', () => {
    expect(admittedShare(at(0.85), options)).toBe(1);
    expect(admittedShare(at(0.885), options)).toBeCloseTo(0.5);
    expect(admittedShare(at(0.92), options)).toBe(0);
    expect(admittedShare(at(1.3), options)).toBe(0);
  });

  it('admits none while critical is held, whatever the ratio', () => {
    expect(admittedShare(at(0.8, 'critical'), options)).toBe(0);
  });

  it('keeps a trickle flowing while stuck, and no more than the ratio allows otherwise', () => {
    expect(admittedShare({ ...at(0.97, 'critical'), stuck: true }, options)).toBe(STUCK_SHARE);
    expect(admittedShare({ ...at(0.885), stuck: true }, options)).toBeCloseTo(0.5);
  });

  it('fails open when blind, unless told otherwise', () => {
    const blind = { ratio: null, level: 'critical' as const, blind: true };
    expect(admittedShare(blind, options)).toBe(1);
    expect(admittedShare(blind, { ...options, onBlind: 'unready' })).toBe(0);
  });
});

describe('Admission', () => {
  it('admits the share to within one request in every run, from every start', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.851, max: 0.919, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 0, max: 100 }),
        (ratio, startPhase, requests, before) => {
          const admission = new Admission(options, startPhase);
          admittedOf(admission, ratio, before);
          const wanted = admittedShare(at(ratio), options) * requests;
          expect(Math.abs(admittedOf(admission, ratio, requests) - wanted)).toBeLessThan(1 + 1e-6);
        },
      ),
    );
  });

  it('is the same for the same requests', () => {
    const run = () => {
      const admission = new Admission(options, 0.3);
      return Array.from({ length: 50 }, () => admission.admit(at(0.87)));
    };
    expect(run()).toEqual(run());
  });

  it('spreads replicas by their start phase', () => {
    const first = (phase: number) => {
      const admission = new Admission(options, phase);
      return Array.from({ length: 4 }, () => admission.admit(at(0.9025))).indexOf(true);
    };
    expect(new Set([0, 0.25, 0.5, 0.75].map(first)).size).toBe(4);
  });

  it('lets heavy work in more rarely: share to the power of the weight', () => {
    expect(admittedOf(new Admission(options), 0.885, 1000)).toBe(500);
    expect(admittedOf(new Admission(options), 0.885, 1000, 3)).toBe(125);
    expect(admittedOf(new Admission(options), 0.885, 1000, 1000)).toBe(0);
    expect(admittedOf(new Admission(options), 0.7, 10, 1000)).toBe(10);
  });

  it('keeps light requests from spending what heavy ones saved up', () => {
    const admission = new Admission(options);
    let light = 0;
    let heavy = 0;
    for (let i = 0; i < 1024; i++) {
      if (admission.admit(at(0.885))) light++;
      if (admission.admit(at(0.885), 4)) heavy++;
    }
    expect([light, heavy]).toEqual([512, 64]);
  });
});

describe('parseWeight', () => {
  it.each([
    ['1', 1],
    ['2.5', 2.5],
    ['0.001', 0.001],
    ['1000', 1000],
  ])('takes %s', (text, weight) => expect(parseWeight(text)).toBe(weight));
  it.each(['', '0', '-1', '1000.1', '1e3', 'NaN', 'Infinity', '0x10', ' 1', '1,5'])('refuses "%s"', (text) =>
    expect(parseWeight(text)).toBeUndefined());
});
