import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GcInput, GcPlan } from '../../../src/core/gc-plan.ts';
import type { GcWay, HeapFacts } from '../../../src/core/reach.ts';

const MB = 1e6;
const LIMIT = 512 * MB;
const START = 1_000_000;

function heapOf(usedMB: number, committedMB = usedMB, externalMB = 0): HeapFacts {
  return {
    usedBytes: usedMB * MB,
    committedBytes: committedMB * MB,
    limitBytes: null,
    limitedBytes: usedMB * MB,
    externalBytes: externalMB * MB,
  };
}

function inputAt(nowMs: number, changes: Partial<GcInput> = {}): GcInput {
  return {
    nowMs,
    level: 'warning',
    ratio: 0.8,
    heldBytes: 0.8 * LIMIT,
    limitBytes: LIMIT,
    secondsToLimit: null,
    heap: heapOf(300),
    heapSpace: 'node',
    loadGone: false,
    ...changes,
  };
}

const planned = (stallBudgetShare = 0.1) => new GcPlan({ stallBudgetShare, warnRatio: 0.75, sinceMs: START });

function run(
  plan: GcPlan,
  nowMs: number,
  way: GcWay,
  stallMs: number,
  usedMB: number,
  leftMB: number,
  freedMB: number,
) {
  plan.ran({
    way,
    stallMs,
    endedMs: nowMs + stallMs,
    before: heapOf(usedMB),
    after: heapOf(leftMB),
    freedBytes: freedMB * MB,
    usedBytesBefore: 0.8 * LIMIT,
    usedBytesAfter: 0.8 * LIMIT - freedMB * MB,
  });
}

describe('the estimate of a stall', () => {
  it('is pessimistic at first, and learns from runs', () => {
    const plan = planned();
    const first = plan.decide(inputAt(START + 60_000));
    expect(first).toMatchObject({ collect: 'thorough', expectedStallMs: 390 });
    run(plan, START + 60_000, 'thorough', 200, 300, 300, 0); // all live, at half the price
    const forced = { forced: true };
    const second = plan.decide(inputAt(START + 70_000, forced));
    expect('expectedStallMs' in second && second.expectedStallMs).toBeLessThan(390);
    run(plan, START + 70_000, 'thorough', 900, 300, 300, 0);
    expect(plan.decide(inputAt(START + 80_000, forced))).toMatchObject({
      expectedStallMs: expect.closeTo(900),
    });
  });
});

describe('the quick way', () => {
  it('is taken when the thorough one was seen to give nothing back', () => {
    const plan = planned();
    plan.decide(inputAt(START + 60_000));
    run(plan, START + 60_000, 'thorough', 100, 300, 200, 1);
    expect(plan.decide(inputAt(START + 90_000))).toMatchObject({ collect: 'quick' });
    // and the thorough one tried anew when the load is gone
    plan.decide(inputAt(START + 91_000, { loadGone: true }));
    expect(plan.decide(inputAt(START + 92_000, { loadGone: true }))).toMatchObject({ collect: 'thorough' });
  });

  it('is none where the runtime knows one way only', () => {
    const input = inputAt(START + 60_000, { heap: null, heapSpace: 'other', secondsToLimit: 0.5 });
    expect(planned().decide(input)).toMatchObject({ collect: 'thorough' });
  });
});

describe('when the load is gone', () => {
  const held = { level: 'shedding', heap: heapOf(500) } as const;
  /** Twice: the end of the load has to stand for a second. */
  const decideAfterLoad = (plan: GcPlan, nowMs: number) => {
    plan.decide(inputAt(nowMs - 1000, { ...held, loadGone: true }));
    return plan.decide(inputAt(nowMs, { ...held, loadGone: true }));
  };
  /** A plan that collected after the load, in vain, and 2 s later once more: `loadGone` is whether that was after load, too. */
  const inVain = (loadGone: boolean) => {
    const plan = planned();
    plan.decide(inputAt(START + 58_000));
    expect(decideAfterLoad(plan, START + 60_000)).toHaveProperty('collect');
    run(plan, START + 60_000, 'thorough', 50, 300, 300, 0);
    const second = plan.decide(inputAt(START + 62_000, { ...held, loadGone }));
    expect(second).toHaveProperty('collect'); // much has come
    run(plan, START + 62_000, 'thorough', 50, 500, 500, 0);
    return plan;
  };

  it('looks again soon: what was in use under load may be garbage now', () => {
    expect(decideAfterLoad(inVain(false), START + 65_000)).toMatchObject({ collect: 'thorough' });
  });

  it('does not look twice where nothing was in work in between', () => {
    expect(decideAfterLoad(inVain(true), START + 65_000)).toHaveProperty('wait');
  });
});

describe('without facts about the heap', () => {
  it('what was added since the last collection may be garbage', () => {
    const plan = planned();
    const input = (nowMs: number, held: number) =>
      inputAt(nowMs, { heap: null, heapSpace: 'other', heldBytes: held * LIMIT, ratio: held });
    expect(plan.decide(input(START + 60_000, 0.8))).toHaveProperty('collect');
    plan.ran({
      way: 'thorough',
      stallMs: 40,
      endedMs: START + 60_040,
      before: null,
      after: null,
      freedBytes: 0,
      usedBytesBefore: 0.8 * LIMIT,
      usedBytesAfter: 0.8 * LIMIT,
    });
    expect(plan.decide(input(START + 62_000, 0.81))).toHaveProperty('wait');
    expect(plan.decide(input(START + 62_000, 0.91))).toHaveProperty('collect');
  });
});

describe('after a failure', () => {
  it.each([
    ['refused', false, 30_000],
    ['refused', true, 100],
    ['timeout', false, 2000],
  ] as const)('%s (passing: %s) it waits %i ms, and twice as long each time', (outcome, passing, firstMs) => {
    const plan = planned();
    const first = START + 100_000;
    plan.failed(outcome, first, passing);
    expect(plan.decide(inputAt(first + firstMs - 1))).toEqual({
      wait: 'the last attempt failed',
      untilMs: first + firstMs,
    });
    expect(plan.decide(inputAt(first + firstMs))).toHaveProperty('collect');
    plan.failed(outcome, first, passing);
    expect(plan.decide(inputAt(first + firstMs))).toHaveProperty('wait');
    expect(plan.decide(inputAt(first + 2 * firstMs))).toHaveProperty('collect');
  });

  it('is not minded by a request', () => {
    const plan = planned();
    plan.failed('refused', START + 60_000);
    expect(plan.decide(inputAt(START + 60_001, { forced: true }))).toHaveProperty('collect');
  });

  it('by time, it is paid for: it may be made all the same', () => {
    const plan = planned(0.01); // 600 ms in a minute
    expect(plan.decide(inputAt(START + 60_000))).toMatchObject({ collect: 'thorough' });
    plan.failed('timeout', START + 60_000);
    expect(plan.decide(inputAt(START + 70_000))).toMatchObject({ collect: 'quick' });
  });
});

describe('whatever comes', () => {
  interface Step {
    afterMs: number;
    usedMB: number;
    liveMB: number;
    ratio: number;
    secondsToLimit: number | null;
    loadGone: boolean;
    forced: boolean;
    /** Of what was expected. */
    price: number;
    fails: boolean;
    returns: boolean;
  }
  const steps = fc.array(
    fc.record<Step>({
      afterMs: fc.integer({ min: 1, max: 20_000 }),
      usedMB: fc.integer({ min: 5, max: 500 }),
      liveMB: fc.integer({ min: 5, max: 500 }),
      ratio: fc.double({ min: 0.3, max: 1, noNaN: true }),
      secondsToLimit: fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
      loadGone: fc.boolean(),
      forced: fc.boolean(),
      price: fc.double({ min: 0.05, max: 3, noNaN: true }),
      fails: fc.boolean(),
      returns: fc.boolean(),
    }),
    { maxLength: 60 },
  );
  const level = (ratio: number) => (ratio >= 0.92 ? 'critical' : ratio >= 0.85 ? 'shedding' : 'ok');

  it('the budget of any minute is kept as far as can be foreseen, and no collection follows another at once', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), steps, (share, story) => {
        const plan = planned(share);
        const runs: { endedMs: number; stallMs: number }[] = [];
        let nowMs = START;
        for (const { afterMs, usedMB, ratio, secondsToLimit, loadGone, forced, ...step } of story) {
          nowMs += afterMs;
          const live = Math.min(usedMB, step.liveMB);
          const decision = plan.decide(
            inputAt(nowMs, {
              ratio,
              level: level(ratio),
              heap: heapOf(usedMB),
              secondsToLimit,
              loadGone,
              forced,
            }),
          );
          if ('wait' in decision) {
            expect(decision.untilMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(nowMs);
            continue;
          }
          const spent = runs.reduce((sum, r) => sum + (r.endedMs > nowMs - 60_000 ? r.stallMs : 0), 0);
          const budgetMs = share * Math.min(60_000, nowMs - START);
          expect(spent + decision.expectedStallMs).toBeLessThanOrEqual(budgetMs + 1e-6);
          const last = runs.at(-1);
          if (last && !forced) expect(nowMs - last.endedMs).toBeGreaterThanOrEqual(200);
          if (step.fails) {
            plan.failed('timeout', nowMs);
            continue;
          }
          const stallMs = decision.expectedStallMs * step.price;
          nowMs += stallMs;
          runs.push({ endedMs: nowMs, stallMs });
          run(
            plan,
            nowMs - stallMs,
            decision.collect,
            stallMs,
            usedMB,
            live,
            step.returns ? usedMB - live : 0,
          );
        }
      }),
    );
  });

  it('with the same memory and nothing to gain, each wait is at least twice the one before, up to five minutes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 480 }),
        fc.double({ min: 0.76, max: 0.99, noNaN: true }),
        (usedMB, ratio) => {
          const plan = planned();
          const gaps: number[] = [];
          let lastMs: number | undefined;
          for (let nowMs = START + 60_000; gaps.length < 12; nowMs += 500) {
            const decision = plan.decide(
              inputAt(nowMs, { ratio, level: level(ratio), heap: heapOf(usedMB) }),
            );
            if ('wait' in decision) continue;
            if (lastMs !== undefined) gaps.push(nowMs - lastMs);
            run(plan, nowMs, decision.collect, 10, usedMB, usedMB, 0);
            lastMs = nowMs;
          }
          gaps.forEach((gap, i) => {
            expect(gap).toBeGreaterThanOrEqual(Math.min(300_000, 1000 * 2 ** (i + 1)));
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('garbage is collected in the end: within the longest wait and a minute for the budget', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 60, max: 400 }), (story, garbageMB) => {
        const plan = planned();
        let nowMs = START;
        for (const { afterMs, usedMB, liveMB, ratio, fails, returns } of story) {
          nowMs += afterMs;
          const decision = plan.decide(inputAt(nowMs, { ratio, level: level(ratio), heap: heapOf(usedMB) }));
          if ('wait' in decision) continue;
          if (fails) plan.failed('refused', nowMs);
          else run(plan, nowMs, decision.collect, 100, usedMB, Math.min(usedMB, liveMB), returns ? 50 : 0);
        }
        const untilMs = nowMs + 600_000 + 60_000;
        let collected = false;
        while (!collected && nowMs < untilMs) {
          nowMs += 1000;
          collected = 'collect' in plan.decide(inputAt(nowMs, { heap: heapOf(50 + garbageMB) }));
        }
        expect(collected).toBe(true);
      }),
    );
  });
});
