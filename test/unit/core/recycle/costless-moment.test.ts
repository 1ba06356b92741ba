import { describe, expect, it } from 'vitest';
import { levelAt } from '../../../../src/core/pressure/level.ts';
import { CostlessMoment, type MomentInput } from '../../../../src/core/recycle/costless-moment.ts';
import { DEFAULT_OPTIONS } from '../../../support/options.ts';

const MIB = 2 ** 20;
const LIMIT = 512 * MIB;
const GROWTH = { grownBytes: 300 * MIB, grownSeconds: 90, secondsToLimit: 20, stretchBytes: null };
const NO_WAIT = { waitSeconds: 0, forgetsSeconds: 600 };

type State = Partial<MomentInput> & { ratio?: number };

/** What is judged of an agent that has worked in sight, after so many seconds like this. */
function judged(state: State, { turn = null as number | null, seconds = 3, worked = 4, begun = false } = {}) {
  const moment = new CostlessMoment(DEFAULT_OPTIONS, turn);
  const { ratio = 0.86, inFlight: last = 0, ...rest } = state;
  const at = (nowMs: number, inFlight: number | null): MomentInput => ({
    ...{
      nowMs,
      inFlight,
      waiting: null,
      heapLimited: false,
      leftRatio: ratio,
      level: levelAt(ratio, 0, DEFAULT_OPTIONS),
      heldBytes: ratio * LIMIT,
      limitBytes: LIMIT,
    },
    ...{ collections: 'useless', spared: false, ready: ratio < 0.85, growth: GROWTH, kubelet: NO_WAIT },
    ...rest,
  });
  moment.judge({ ...at(0, worked), growth: null }, false);
  let verdict = moment.judge(at(50, worked), false);
  for (let ms = 100; ms <= seconds * 1000; ms += 50) verdict = moment.judge(at(ms, last), begun);
  return verdict.kill ? 'end' : verdict.open ? 'open' : verdict.why.code;
}

describe('CostlessMoment', () => {
  it('has come for an agent that grows on, is un-ready and drained', () => {
    expect(judged({})).toBe('end');
  });

  it.each<[string, State, string]>([
    ['un-ready, as the gate closes', { inFlight: 2, waiting: 0 }, 'end'],
    [
      'where requests wait for memory that does not come back',
      { inFlight: 2, waiting: 5, ready: true },
      'end',
    ],
    ['ready, and nothing waits', { inFlight: 2, waiting: 0, ready: true }, 'work_in_flight'],
    ['where requests wait above the line of the gate', { ratio: 0.82, inFlight: 2, waiting: 5 }, 'end'],
    ['where requests wait below it', { ratio: 0.78, inFlight: 2, waiting: 5 }, 'work_in_flight'],
    ['as a heap comes to that line', { ratio: 0.82, inFlight: 2, waiting: 0, heapLimited: true }, 'end'],
    ['as a heap is below it', { ratio: 0.78, inFlight: 2, waiting: 0, heapLimited: true }, 'work_in_flight'],
    [
      'as a heap comes to that line, before a collection',
      { ratio: 0.82, inFlight: 2, waiting: 0, heapLimited: true, collections: 'pending' },
      'open',
    ],
    [
      'as a heap comes to that line by garbage',
      { ratio: 0.82, inFlight: 2, waiting: 0, heapLimited: true, leftRatio: 0.74 },
      'limit_not_near',
    ],
    [
      'as a heap comes to that line, and when it was collected last tells nothing of it',
      { ratio: 0.82, inFlight: 2, waiting: 0, heapLimited: true, leftRatio: null },
      'open',
    ],
    [
      'as a heap is so full that V8 itself has collected it',
      { ratio: 0.89, inFlight: 2, waiting: 0, heapLimited: true, leftRatio: null },
      'end',
    ],
    [
      'un-ready by the garbage in a heap',
      { ratio: 0.86, inFlight: 2, waiting: 0, heapLimited: true, leftRatio: 0.74 },
      'limit_not_near',
    ],
    [
      'where requests wait for what a collection returns each time',
      { ratio: 0.82, inFlight: 2, waiting: 5, leftRatio: 0.74 },
      'limit_not_near',
    ],
    [
      'at critical, while something is in flight',
      { ratio: 0.95, growth: null, inFlight: 1, waiting: 5 },
      'not_rising',
    ],
    ['at critical, with nothing in flight', { ratio: 0.95, growth: null, waiting: 5 }, 'end'],
    [
      'at critical, as GC frees memory',
      { ratio: 0.95, growth: null, waiting: 5, collections: 'useful' },
      'gc_frees',
    ],
    ['at critical, and nothing waits', { ratio: 0.95, growth: null, waiting: 0 }, 'not_rising'],
  ])('behind a gate: %s', (_, state, verdict) => {
    expect(judged(state, { seconds: 4 })).toBe(verdict);
  });

  describe('at critical behind a gate, where requests wait', () => {
    const stands = (moment: CostlessMoment, atMs: number, state: Partial<MomentInput>, begun = false) =>
      moment.judge(
        {
          ...{ nowMs: atMs, level: 'critical', heldBytes: 0.95 * LIMIT, limitBytes: LIMIT, inFlight: 0 },
          ...{
            waiting: 5,
            collections: 'useless',
            spared: false,
            ready: false,
            growth: null,
            ...{ heapLimited: false, leftRatio: null },
          },
          ...{ kubelet: NO_WAIT, ...state },
        },
        begun,
      ).kill;

    it('is not the gap between two requests that are served', () => {
      const moment = new CostlessMoment(DEFAULT_OPTIONS, null);
      for (let ms = 0; ms <= 20_000; ms += 50)
        expect(stands(moment, ms, { inFlight: ms % 1000 < 600 ? 1 : 0 })).toBe(false);
    });

    it('is not that of a few requests that came at once and are refused', () => {
      const moment = new CostlessMoment(DEFAULT_OPTIONS, null);
      for (let ms = 0; ms <= 60_000; ms += 50)
        expect(stands(moment, ms, { waiting: ms % 10_000 < 3_200 ? 2 : 0 })).toBe(false);
    });

    it('has passed where it serves again before collections were seen to free nothing', () => {
      const moment = new CostlessMoment(DEFAULT_OPTIONS, null);
      for (let ms = 0; ms <= 4000; ms += 50) stands(moment, ms, { collections: 'pending' });
      expect(stands(moment, 4050, { inFlight: 2, waiting: 0, collections: 'pending' })).toBe(false);
      expect(stands(moment, 4100, { inFlight: 2, waiting: 0 })).toBe(false);
    });

    it('stays while it is drained for it', () => {
      const moment = new CostlessMoment(DEFAULT_OPTIONS, null);
      for (let ms = 0; ms <= 4000; ms += 50) stands(moment, ms, {});
      expect(stands(moment, 4050, { inFlight: 2, waiting: 0 }, true)).toBe(true);
    });
  });

  it.each<[string, State, string]>([
    ['rests', { growth: null }, 'not_rising'],
    ['has work in flight', { inFlight: 1 }, 'work_in_flight'],
    ['shows no work in flight', { inFlight: null }, 'work_in_flight'],
    ['has a tool that the kernel would kill first', { spared: true }, 'other_victim'],
    ['has garbage', { collections: 'useful' }, 'gc_frees'],
    ['may have garbage', { collections: 'pending' }, 'open'],
    ['is calm', { ratio: 0.6 }, 'not_rising'],
  ])('has not come for one that %s', (_, state, code) => {
    expect(judged(state)).toBe(code);
  });

  it('has not come where no work was seen for the growth to be its', () => {
    expect(judged({}, { worked: 0 })).toBe('work_unseen');
  });

  describe('in a lull', () => {
    const lull = { ratio: 0.8 };
    it.each<[string, State, string]>([
      ['after long growth that reaches the limit soon', lull, 'end'],
      [
        'after long growth that leaves time',
        { ...lull, growth: { ...GROWTH, secondsToLimit: 90 } },
        'limit_not_near',
      ],
      ['after short growth', { ...lull, growth: { ...GROWTH, grownSeconds: 30 } }, 'limit_not_near'],
      [
        'before a stretch that would fill it',
        { ...lull, growth: { ...GROWTH, stretchBytes: 110 * MIB } },
        'end',
      ],
      [
        'before one that would not',
        { ...lull, growth: { ...GROWTH, stretchBytes: 90 * MIB } },
        'limit_not_near',
      ],
    ])('%s', (_, state, result) => {
      expect(judged(state)).toBe(result);
    });

    it('comes for the fullest replica first', () => {
      const turns = [0, 0.4, 0.8, 1];
      const ended = (ratio: number) => turns.filter((turn) => judged({ ratio }, { turn }) === 'end');
      expect([0.76, 0.8, 0.84].map((ratio) => ended(ratio).length)).toEqual([1, 2, 3]);
    });

    it('is longer than a gap between two requests', () => {
      expect(judged(lull, { seconds: 0.9 })).toBe('work_in_flight');
    });
  });

  it.each<[string, MomentInput['kubelet'], number, string]>([
    ['short', { waitSeconds: 10, forgetsSeconds: 600 }, 0.86, 'end'],
    ['long', { waitSeconds: 40, forgetsSeconds: 600 }, 0.86, 'kubelet_delays'],
    ['soon forgotten', { waitSeconds: 10, forgetsSeconds: 15 }, 0.86, 'kubelet_delays'],
    ['long, at critical', { waitSeconds: 40, forgetsSeconds: 600 }, 0.93, 'end'],
  ])('counts a delay of the kubelet that is %s', (_, kubelet, ratio, result) => {
    expect(judged({ ratio, kubelet })).toBe(result);
  });

  it('stays for one that is being drained, until growth has ended or garbage was found', () => {
    expect(judged({ inFlight: 1 }, { begun: true })).toBe('end');
    expect(judged({ growth: null }, { begun: true })).toBe('not_rising');
    expect(judged({ collections: 'useful' }, { begun: true })).toBe('gc_frees');
    const soonFull = { ...GROWTH, secondsToLimit: 5 };
    expect(judged({ collections: 'useful', growth: soonFull }, { begun: true }), 'too little').toBe('end');
    expect(judged({ collections: 'useful', growth: soonFull })).toBe('gc_frees');
  });
});
