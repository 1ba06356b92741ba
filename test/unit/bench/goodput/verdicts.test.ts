import { describe, expect, it } from 'vitest';
import type { ContenderName } from '../../../bench/goodput/contenders.ts';
import { type Score, score } from '../../../bench/goodput/score.ts';
import { missedBy, overAll, type Result, totals } from '../../../bench/goodput/verdicts.ts';

const CLEAN = score({ outcomes: [], replicas: [{ probes: [], lives: [], samples: [] }], during: [0, 1] });
const OFFERED = 1000;

function result(scores: Partial<Record<ContenderName, Partial<Score>>>, more: Partial<Result> = {}): Result {
  const entries = Object.entries(scores) as [ContenderName, Partial<Score>][];
  return {
    replicas: 1,
    offered: OFFERED,
    scores: new Map(entries.map(([name, each]) => [name, { ...CLEAN, ...each }])),
    ...more,
  };
}
const targets = (each: Result) => missedBy('sidecar', each).map(({ target }) => target);

describe('what is missed', () => {
  it.each([
    { of: 'nothing', own: { served: 990, brokenForeseeable: 10 }, none: { served: 1000 }, missed: [] },
    { of: 'served', own: { served: 980 }, none: { served: 1000 }, missed: ['served'] },
    { of: 'broken', own: { served: 989, brokenForeseeable: 11 }, none: { served: 0 }, missed: ['broken'] },
  ])('of $of', ({ own, none, missed }) => {
    expect(targets(result({ sidecar: own, none }))).toEqual(missed);
  });

  it('of ready replicas, where there are three', () => {
    const scores = { sidecar: { noneReadyMs: 2 }, none: { noneReadyMs: 1 } };
    expect(targets(result(scores))).toEqual([]);
    expect(targets(result(scores, { replicas: 3 }))).toEqual(['none-ready']);
  });

  it('of a spike: nine in ten, and none broken', () => {
    const spike = (own: Partial<Score>) => targets(result({ sidecar: own }, { kind: 'spike' }));
    expect(spike({ served: 900 })).toEqual([]);
    expect(spike({ served: 899 })).toEqual(['spike']);
    expect(spike({ served: 999, broken: 1 })).toEqual(['spike']);
  });

  it('of a slow leak: as many as without a guard, and none broken', () => {
    const leak = (own: Partial<Score>) =>
      targets(result({ sidecar: own, none: { served: 900 } }, { kind: 'slow-leak' }));
    expect(leak({ served: 900 })).toEqual([]);
    expect(leak({ served: 899 })).toEqual(['leak']);
    expect(leak({ served: 999, broken: 1 })).toEqual(['leak']);
  });
});

describe('all loads', () => {
  const first = result({ none: { served: 50, kills: 2 }, heap: { served: 100 }, sidecar: { served: 120 } });
  const second = result({ none: { served: 80 }, heap: { served: 50 }, sidecar: { served: 80 } });

  it('are summed', () => {
    expect(totals([first, second]).get('none')).toMatchObject({
      offered: 2 * OFFERED,
      served: 130,
      kills: 2,
      loadsKilled: 1,
    });
  });

  it('leave out a load that one of the contenders has no score for', () => {
    const failed = result({ none: { served: 1000 }, heap: { served: 1000 } });
    expect(totals([first, second, failed]).get('none')?.served).toBe(130);
  });

  it('are compared with the best single alternative, not with the best of each load', () => {
    expect(overAll('sidecar', totals([first, second]))).toEqual({ ratio: 200 / 150, reached: true });
    expect(overAll('sidecar', totals([second])).reached).toBe(false);
  });
});
