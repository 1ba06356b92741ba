import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GcInput } from '../../../../src/core/gc/decision.ts';
import { GcPlan } from '../../../../src/core/gc/plan.ts';
import type { GcWay, HeapFacts } from '../../../../src/core/model/heap.ts';

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
    runtime: 'node',
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

const shedding = { level: 'shedding', ratio: 0.88, heldBytes: 0.88 * LIMIT } as const;
const foreseen = { secondsToLimit: 3 } as const;

describe('a stop at the warning level', () => {
  it('is a fast one, up to 250 ms', () => {
    const at = (usedMB: number) => planned().decide(inputAt(START + 60_000, { heap: heapOf(usedMB) }));
    expect(at(300)).toMatchObject({ collect: 'fast', expectedStallMs: 108 });
    expect(at(690)).toMatchObject({ collect: 'fast' });
    expect(at(1500)).toEqual({
      wait: { code: 'stall_too_long', stallMs: 540, mostMs: 250, level: 'warning' },
    });
  });

  it('may be longer with the kill foreseen for a second, and is within the budget', () => {
    const big = { heap: heapOf(9000), ...foreseen };
    const plan = planned();
    expect(plan.decide(inputAt(START + 60_000, big)), 'a single step').toHaveProperty('wait');
    expect(plan.decide(inputAt(START + 61_000, big))).toMatchObject({ collect: 'fast' });
    plan.stalled(5500, START + 61_000);
    expect(plan.decide(inputAt(START + 62_000, big))).toHaveProperty('wait');
  });

  it('that brought little is not repeated before use has grown by a tenth of the limit', () => {
    const plan = planned();
    plan.decide(inputAt(START + 60_000));
    run(plan, START + 60_000, 'fast', 100, 300, 300, 0);
    const at = (share: number) => plan.decide(inputAt(START + 3_600_000, { heldBytes: share * LIMIT }));
    expect(at(0.8)).toEqual({ wait: { code: 'freed_little', garbageBytes: 0 } });
    expect(at(0.89)).toHaveProperty('wait');
    expect(at(0.91)).toHaveProperty('collect');
  });

  it('is made again where use has fallen and come back, whatever the size of the heap', () => {
    const plan = planned();
    plan.decide(inputAt(START + 60_000));
    run(plan, START + 60_000, 'fast', 100, 300, 300, 0);
    plan.follow(0.5 * LIMIT);
    expect(plan.decide(inputAt(START + 70_000))).toHaveProperty('collect');
  });
});

describe('a stop while work is turned away', () => {
  it('takes a second at most, or as much as the budget has with the kill foreseen', () => {
    const at = (usedMB: number, changes: Partial<GcInput> = {}) => {
      const plan = planned();
      plan.decide(inputAt(START + 60_000, { ...shedding, heap: heapOf(usedMB) }));
      run(plan, START + 60_000, 'fast', 0.36 * usedMB, usedMB, usedMB, 0);
      return plan.decide(inputAt(START + 200_000, { ...shedding, heap: heapOf(usedMB), ...changes }));
    };
    expect(at(700)).toMatchObject({ collect: 'full' });
    expect(at(1500)).toMatchObject({ collect: 'fast' });
    expect(at(3000)).toMatchObject({
      wait: { code: 'stall_too_long', mostMs: 1000, level: 'shedding' },
    });
    expect(at(3000, foreseen)).toMatchObject({ collect: 'fast' });
  });

  it('is tried once whatever it may take, and what it took is known from then on', () => {
    const plan = planned();
    const big = { ...shedding, heap: heapOf(4500) };
    expect(plan.decide(inputAt(START + 60_000, big))).toMatchObject({
      collect: 'fast',
      expectedStallMs: 1000,
    });
    run(plan, START + 60_000, 'fast', 1620, 4500, 4500, 0);
    expect(plan.decide(inputAt(START + 600_000, big))).toHaveProperty('wait');
    const other = planned();
    other.decide(inputAt(START + 60_000, big));
    run(other, START + 60_000, 'fast', 270, 4500, 50, 0);
    expect(other.decide(inputAt(START + 70_000, big)), 'nearly all of it was garbage').toHaveProperty(
      'collect',
    );
  });
});

describe('the estimate of a stall', () => {
  it('is pessimistic at first, and learns from runs', () => {
    const plan = planned();
    const input = { ...shedding, forced: true };
    expect(plan.decide(inputAt(START + 60_000, input))).toMatchObject({
      collect: 'full',
      expectedStallMs: 390,
    });
    run(plan, START + 60_000, 'full', 200, 300, 300, 0); // all live, at half the price
    expect(plan.decide(inputAt(START + 70_000, input))).toMatchObject({
      expectedStallMs: expect.closeTo(200),
    });
    run(plan, START + 70_000, 'full', 900, 300, 300, 0);
    expect(plan.decide(inputAt(START + 80_000, input))).toMatchObject({
      expectedStallMs: expect.closeTo(900),
    });
  });

  it('takes what was added since for the worst that was measured, however cheap the last one was', () => {
    const plan = planned();
    plan.decide(inputAt(START + 60_000));
    run(plan, START + 60_000, 'fast', 10, 300, 300, 0);
    const grown = { heap: heapOf(800), heldBytes: 0.95 * LIMIT };
    expect(plan.decide(inputAt(START + 70_000, grown))).toMatchObject({
      expectedStallMs: expect.closeTo(10 + 0.36 * 500),
    });
  });

  it('is not spoilt by a small heap that was stopped for as long as a large one', () => {
    const plan = planned();
    const input = { ...shedding, heap: heapOf(450), forced: true };
    for (const [atMs, liveMB] of [
      [60_000, 5],
      [70_000, 277],
    ] as const) {
      plan.decide(inputAt(START + atMs, input));
      run(plan, START + atMs, 'fast', 100, liveMB, liveMB, 0);
    }
    const next = plan.decide(inputAt(START + 600_000, { ...input, forced: false, secondsToLimit: 0.5 }));
    expect(next).toMatchObject({ collect: 'fast' });
    expect('expectedStallMs' in next && next.expectedStallMs).toBeLessThan(250);
  });

  it.each([
    ['go', 5000, 'warning', 'collect'],
    ['jvm', 16_000, 'warning', 'wait'],
    ['jvm', 16_000, 'shedding', 'collect'],
    ['python', 5000, 'warning', 'wait'],
    ['python', 5000, 'shedding', 'collect'],
  ] as const)('of %s with %i MB at %s: %s', (runtime, heldMB, level, outcome) => {
    const heldBytes = heldMB * MB;
    const size = { heldBytes, limitBytes: heldBytes / 0.88, ratio: 0.88 };
    const heap = runtime === 'python' ? null : heapOf(heldMB);
    const plan = planned();
    const decision = plan.decide(inputAt(START + 60_000, { runtime, level, ...size, heap }));
    expect(decision).toHaveProperty(outcome);
  });

  it.each([
    ['go', 5000, 0.4],
    ['python', 5000, 60],
    ['jvm', 16_000, 500],
  ] as const)('of %s with %i MB is learned by the first one', (runtime, heldMB, stallMs) => {
    const heldBytes = heldMB * MB;
    const input = { runtime, heldBytes, limitBytes: heldBytes / 0.88, heap: null } as const;
    const plan = planned();
    plan.decide(inputAt(START + 60_000, { ...input, level: 'shedding', ratio: 0.88 }));
    plan.ran({
      ...{ way: 'full', before: null, after: null, stallMs, endedMs: START + 60_000 },
      ...{ freedBytes: 0, usedBytesBefore: heldBytes, usedBytesAfter: heldBytes },
    });
    const again = plan.decide(
      inputAt(START + 600_000, { ...input, level: 'shedding', ratio: 0.88, forced: true }),
    );
    expect(again).toMatchObject({ collect: 'full' });
    expect('expectedStallMs' in again && again.expectedStallMs).toBeLessThan(2 * stallMs + 1);
  });
});

describe('the fast way', () => {
  it('is taken when the full one was seen to give nothing back', () => {
    const plan = planned();
    plan.decide(inputAt(START + 60_000, shedding));
    run(plan, START + 60_000, 'full', 100, 300, 200, 1);
    expect(plan.decide(inputAt(START + 90_000, shedding))).toMatchObject({ collect: 'fast' });
    // and the full one tried anew when the load is gone
    const gone = { ...shedding, loadGone: true };
    plan.decide(inputAt(START + 91_000, gone));
    expect(plan.decide(inputAt(START + 92_000, gone))).toMatchObject({ collect: 'full' });
  });

  it('is none where the runtime knows one way only', () => {
    const input = inputAt(START + 60_000, { ...shedding, heap: null, runtime: 'jvm', secondsToLimit: 0.5 });
    expect(planned().decide(input)).toMatchObject({ collect: 'full' });
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
    run(plan, START + 60_000, 'full', 50, 300, 300, 0);
    const second = plan.decide(inputAt(START + 62_000, { ...held, loadGone }));
    expect(second).toHaveProperty('collect'); // much has come
    run(plan, START + 62_000, 'full', 50, 500, 500, 0);
    return plan;
  };

  it('looks again soon: what was in use under load may be garbage now', () => {
    expect(decideAfterLoad(inVain(false), START + 65_000)).toMatchObject({ collect: 'full' });
  });

  it('does not look twice where nothing was in work in between', () => {
    expect(decideAfterLoad(inVain(true), START + 65_000)).toHaveProperty('wait');
  });
});

describe('without facts about the heap', () => {
  it('what was added since the last collection may be garbage', () => {
    const plan = planned();
    const input = (nowMs: number, held: number) =>
      inputAt(nowMs, { ...shedding, heap: null, runtime: 'jvm', heldBytes: held * LIMIT, ratio: held });
    expect(plan.decide(input(START + 60_000, 0.86))).toHaveProperty('collect');
    plan.ran({
      way: 'full',
      stallMs: 40,
      endedMs: START + 60_040,
      before: null,
      after: null,
      freedBytes: 0,
      usedBytesBefore: 0.86 * LIMIT,
      usedBytesAfter: 0.86 * LIMIT,
    });
    expect(plan.decide(input(START + 61_500, 0.87))).toHaveProperty('wait');
    expect(plan.decide(input(START + 61_500, 0.97))).toHaveProperty('collect');
  });
});

describe('after a failure', () => {
  it.each([
    ['refused', false, 30_000],
    ['refused', true, 100],
    ['timeout', false, 2000],
  ] as const)('%s (retryable: %s) it waits %i ms, and twice as long each time', (outcome, passing, firstMs) => {
    const plan = planned();
    const first = START + 100_000;
    expect(plan.decide(inputAt(first))).toHaveProperty('collect');
    plan.failed(outcome, first, passing);
    expect(plan.decide(inputAt(first + firstMs - 1))).toEqual({
      wait: { code: 'backoff' },
      untilMs: first + firstMs,
    });
    expect(plan.decide(inputAt(first + firstMs))).toHaveProperty('collect');
    plan.failed(outcome, first, passing);
    expect(plan.decide(inputAt(first + firstMs))).toHaveProperty('wait');
    expect(plan.decide(inputAt(first + 2 * firstMs))).toHaveProperty('collect');
  });

  it('is not minded by a request', () => {
    const plan = planned();
    expect(plan.decide(inputAt(START + 60_000))).toHaveProperty('collect');
    plan.failed('refused', START + 60_000);
    expect(plan.decide(inputAt(START + 60_001))).toHaveProperty('wait');
    expect(plan.decide(inputAt(START + 60_001, { forced: true }))).toHaveProperty('collect');
  });

  it('to reach the runtime at all it does not wait: that is paced where it is reached', () => {
    const plan = planned();
    plan.failed('timeout', START + 60_000);
    expect(plan.decide(inputAt(START + 60_001))).toHaveProperty('collect');
  });

  it('by time, it is paid for: it may be made all the same', () => {
    const plan = planned(0.01); // 600 ms in a minute
    expect(plan.decide(inputAt(START + 60_000, shedding))).toMatchObject({ collect: 'full' });
    plan.failed('timeout', START + 60_000);
    expect(plan.decide(inputAt(START + 70_000, shedding))).toMatchObject({ collect: 'fast' });
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
  const level = (ratio: number) =>
    ratio >= 0.92 ? 'critical' : ratio >= 0.85 ? 'shedding' : ratio >= 0.75 ? 'warning' : 'ok';

  it('no stop is longer than is bearable, and none but a requested one beyond the budget of a minute or at once after another', () => {
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
          const last = runs.at(-1);
          if (!forced) {
            const near = (secondsToLimit ?? 100) <= 5;
            const at = level(ratio);
            if (at === 'ok') expect(near).toBe(true);
            const mostMs = near && at !== 'ok' ? 60_000 : at === 'ok' || at === 'warning' ? 250 : 1000;
            expect(decision.expectedStallMs).toBeLessThanOrEqual(Math.min(mostMs, budgetMs - spent + 1e-6));
            // in the agent's last second they follow each other, and it runs for longer than it was stopped
            const lastSecond =
              at !== 'ok' && at !== 'warning' && (ratio >= 0.95 || (secondsToLimit ?? 100) < 1);
            const apartMs = lastSecond ? Math.min(200, 4 * (last?.stallMs ?? 0)) : 200;
            if (last) expect(nowMs - last.endedMs).toBeGreaterThanOrEqual(apartMs - 1e-6);
          }
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

  it('while work is turned away, with the same memory and nothing to gain, each wait is at least twice the one before, up to five minutes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 480 }),
        fc.double({ min: 0.85, max: 0.99, noNaN: true }),
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

  it('garbage is collected in the end while work is turned away: within the longest wait and a minute for the budget', () => {
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
          const input = { ...shedding, heap: heapOf(50 + garbageMB) };
          collected = 'collect' in plan.decide(inputAt(nowMs, input));
        }
        expect(collected).toBe(true);
      }),
    );
  });
});
