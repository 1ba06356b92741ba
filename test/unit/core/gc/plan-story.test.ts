import { describe, expect, it } from 'vitest';
import { GcPlan } from '../../../../src/core/gc/plan.ts';
import { GcStory } from '../../../support/gc-story.ts';

describe('an agent full of garbage', () => {
  it('that came at once is collected while shedding, with its pages given back', () => {
    const story = new GcStory().goes(30);
    story.garbage = 370;
    story.goes(1);
    expect(story.runs).toMatchObject([{ way: 'full', freedMB: 370 }]);
  });

  it('is collected before the warning level when the limit is seconds away', () => {
    const story = new GcStory().goes(10);
    story.garbage = 100;
    story.secondsToLimit = 4;
    story.goes(1);
    expect(story.runs, 'so early it brings little').toEqual([]);
    story.garbage = 220;
    story.goes(0.1);
    expect(story.runs).toMatchObject([{ reason: { code: 'limit_foreseen', secondsToLimit: 4 } }]);
  });

  it('is collected the fast way when the full one would take too much of the time that is left', () => {
    const story = new GcStory().goes(10);
    story.garbage = 350;
    story.secondsToLimit = 1;
    story.goes(0.1);
    expect(story.runs).toMatchObject([{ way: 'fast' }]);
  });
});

describe('an agent in its last second', () => {
  /** Collected 0.4 s ago with next to nothing freed; since then 12 MB were allocated in each 0.1 s. */
  const allocating = (secondsToLimit: number | null) => {
    const story = new GcStory().goes(30);
    Object.assign(story, { live: 415, garbage: 2 });
    story.goes(0.2);
    expect(story.runs).toHaveLength(1);
    story.goes(0.4, () => {
      story.secondsToLimit = secondsToLimit;
      story.garbage += 12;
    });
    return story;
  };

  it('is collected again, however short ago and however little that brought', () => {
    expect(allocating(0.4).runs.length).toBeGreaterThan(1);
    expect(allocating(null).runs).toHaveLength(1);
    expect(allocating(4).runs).toHaveLength(1);
  });

  it('is collected again where next to nothing is left of the limit, also without a forecast', () => {
    const story = allocating(null);
    story.garbage += 20;
    story.goes(0.1);
    expect(story.runs).toHaveLength(2);
  });

  it('is not stopped for more than half of that time', () => {
    const { runs } = allocating(0.4);
    expect(runs.slice(1).reduce((sum, { stallMs }) => sum + stallMs, 0)).toBeLessThan(400 / 2);
  });

  it('runs for at least as long as it was stopped, however long one collection takes', () => {
    const story = new GcStory();
    Object.assign(story, { limit: 2048, live: 1500, msPerMB: 1.2 });
    story.goes(300);
    Object.assign(story, { live: 1770, secondsToLimit: 0.8 });
    const startMs = story.nowMs;
    story.goes(10, () => {
      story.garbage += 45;
    });
    const lateRuns = story.runs.filter(({ level }) => level !== 'ok' && level !== 'warning');
    expect(lateRuns.length).toBeGreaterThan(2);
    const stoppedMs = lateRuns.reduce((sum, { stallMs }) => sum + stallMs, 0);
    expect(stoppedMs).toBeLessThanOrEqual(0.5 * (story.nowMs - startMs) + 600);
  });
});

describe('an agent whose use rests just below its limit', () => {
  it.each([
    512, 2048,
  ])('of %i MB is looked into ever more rarely, though its heap fills and empties', (limit) => {
    const MB = 1e6;
    const plan = new GcPlan({ stallBudgetShare: 0.1, warnRatio: 0.75, sinceMs: 0 });
    const heldBytes = 0.96 * limit * MB;
    const limitBytes = limit * MB;
    const stallMs = 0.25 * limit;
    let nowMs = 300_000;
    let young = 0;
    let runs = 0;
    const heap = (garbage: number) => ({
      usedBytes: 0.8 * limitBytes + garbage,
      committedBytes: 0.86 * limitBytes, // pages that the heap keeps
      limitBytes: null,
      limitedBytes: 0.8 * limitBytes + garbage,
      externalBytes: 0,
    });
    while (nowMs < 900_000) {
      const decision = plan.decide({
        ...{ nowMs, level: 'critical', ratio: 0.96, heldBytes, limitBytes, secondsToLimit: null },
        ...{ heap: heap(young), runtime: 'node', loadGone: false },
      });
      if ('collect' in decision) {
        runs++;
        nowMs += stallMs;
        plan.ran({
          ...{ way: decision.collect, before: heap(young), after: heap(0), stallMs, endedMs: nowMs },
          ...{ freedBytes: 0, usedBytesBefore: heldBytes, usedBytesAfter: heldBytes },
        });
        young = 0;
      }
      nowMs += 250;
      young = (young + 0.02 * limitBytes) % (0.06 * limitBytes);
    }
    expect(runs).toBeLessThan(20);
  });
});

describe('an agent whose memory is all live', () => {
  it.each([
    [400, 512],
    [1500, 2000],
    [4500, 6000],
  ])('%i of %i MB, flat at the warning level, is stopped once in an hour at most, and shortly', (live, limit) => {
    const story = new GcStory();
    Object.assign(story, { limit, live: 0.2 * live });
    story.goes(60);
    story.live = live;
    story.goes(3600);
    expect(story.runs.length).toBeLessThanOrEqual(1);
    for (const { stallMs } of story.runs) expect(stallMs).toBeLessThan(250);
  });

  it('and comes and goes at the warning level, is tried ever more rarely', () => {
    const story = new GcStory().goes(60);
    story.live = 300;
    story.goes(3600, (s) => {
      story.other = s % 20 < 10 ? 120 : 20;
    });
    expect(story.runs.length).toBeGreaterThan(1);
    expect(story.runs.length).toBeLessThan(20);
  });
});

describe('idle at 0.88 after a burst', () => {
  it('gives its pages back once the load is gone, whatever was tried during it', () => {
    const story = new GcStory().goes(60);
    story.live = 430;
    story.goes(120); // all of it live while the work lasts
    const during = story.runs.length;
    story.garbage = 400;
    story.live = 30;
    story.loadGone = true;
    story.goes(2);
    expect(story.runs.slice(during)).toMatchObject([
      { way: 'full', reason: { code: 'load_ended' }, freedMB: 400 },
    ]);
    story.goes(600);
    expect(story.runs.length, 'once').toBe(during + 1);
  });

  it('is not mistaken for the pauses between requests', () => {
    const story = new GcStory().goes(60);
    story.live = 430;
    story.goes(600, (s) => {
      story.loadGone = s % 2 < 0.8;
    });
    const steady = new GcStory().goes(60);
    steady.live = 430;
    steady.goes(600);
    expect(story.runs.length).toBe(steady.runs.length);
  });

  it('that comes and goes and leaves nothing behind is given up ever longer', () => {
    const story = new GcStory().goes(60);
    story.live = 400;
    story.goes(600, (s) => {
      story.loadGone = s % 4 < 2;
    });
    const afterLoad = story.runs.filter(({ reason }) => reason.code === 'load_ended');
    expect(afterLoad.length).toBeLessThan(12);
  });

  it('is not collected where memory never was short', () => {
    const story = new GcStory().goes(30);
    story.loadGone = true;
    story.garbage = 200;
    story.goes(600);
    expect(story.runs).toEqual([]);
    expect(story.wait).toEqual({ code: 'no_pressure' });
  });
});

describe("V8's own limit", () => {
  it('asks for the heap to be freed, not for pages: the fast way', () => {
    const story = new GcStory().goes(60);
    story.heapLimit = 260;
    story.garbage = 150;
    story.goes(1);
    expect(story.runs).toMatchObject([{ way: 'fast', freedMB: 0 }]);
    // the heap was freed, and that is what counts: no back-off
    story.goes(2, () => {
      story.garbage = 150;
    });
    expect(story.runs.length).toBeGreaterThan(1);
  });
});

describe('native buffers that the C library keeps', () => {
  it('are collected while they grow, and not without end for nothing', () => {
    const story = new GcStory().goes(60);
    story.keeps = true;
    story.external = 320;
    story.goes(600);
    expect(story.runs[0]).toMatchObject({ freedMB: 0 });
    expect(story.runs.length).toBeLessThan(12);
  });
});

describe('the budget', () => {
  it('that is short takes the fast way', () => {
    const story = new GcStory({ stallBudgetShare: 0.005 }).goes(60); // 300 ms in a minute
    story.garbage = 390;
    story.goes(1);
    expect(story.runs[0]).toMatchObject({ way: 'fast' });
    expect(story.runs.reduce((sum, { stallMs }) => sum + stallMs, 0)).toBeLessThan(300);
  });

  it('that never allows it says so', () => {
    const story = new GcStory({ stallBudgetShare: 0.001 }).goes(60);
    story.live = 430;
    story.goes(10);
    expect(story.runs).toEqual([]);
    expect(story.wait).toMatchObject({ code: 'above_budget' });
  });

  it('is not there in the first moments', () => {
    const story = new GcStory();
    story.garbage = 390;
    story.goes(1);
    expect(story.runs).toEqual([]);
    story.goes(4);
    // first what can be paid for, then what that left: its pages
    expect(story.runs.map(({ way }) => way)).toEqual(['fast', 'full']);
  });
});

describe('a request', () => {
  it('is done without need, at any time, and also when the budget has earned nothing', () => {
    const story = new GcStory();
    story.asks(true);
    story.asks(true);
    expect(story.runs).toMatchObject([{ reason: { code: 'request' } }, { reason: { code: 'request' } }]);
  });

  it('is paid for: what would follow by itself waits', () => {
    const story = new GcStory();
    Object.assign(story, { limit: 2000, live: 1400 });
    story.asks(true);
    story.garbage = 500;
    story.goes(10);
    expect(story.runs).toHaveLength(1);
    story.goes(20);
    expect(story.runs.length).toBeGreaterThan(1);
  });
});

describe('a part of the load that has ended', () => {
  /** Requests wait, again and again a quarter of those in flight ends; what is there is kept, and garbage is made and collected by V8. */
  const kept = (ends: boolean) => {
    const story = new GcStory().goes(60);
    story.live = 420;
    story.goes(300, (second) => {
      story.garbage = (story.garbage + 0.5) % 40;
      story.outdated = ends && second % 2 < 1 ? 'waiting' : null;
    });
    const of = (code: string) => story.runs.filter(({ reason }) => reason.code === code);
    return { usage: of('usage'), parts: of('load_ended') };
  };

  it('is looked for ever more rarely where it leaves no garbage, and delays no other collection', () => {
    const [plain, ending] = [kept(false), kept(true)];
    expect(plain.usage.length).toBeGreaterThan(10);
    expect(ending.parts.length).toBeGreaterThan(0);
    expect(ending.parts.length).toBeLessThan(12);
    const freed = (runs: typeof plain.usage) => runs.reduce((sum, { freedMB }) => sum + freedMB, 0);
    expect(freed([...ending.usage, ...ending.parts])).toBeGreaterThan(0.8 * freed(plain.usage));
  });

  it('is collected with nothing in flight for as long as that takes while the agent is drained, not while requests wait', () => {
    const longest = (outdated: 'waiting' | 'drained') => {
      const story = new GcStory({ stallBudgetShare: 0.02 });
      story.msPerMB = 6;
      story.goes(60);
      Object.assign(story, { live: 420 });
      story.goes(2);
      expect(story.runs.length, 'one tells what they take').toBe(1);
      Object.assign(story, { live: 200, garbage: 220, loadGone: true, outdated });
      story.goes(2);
      return story.runs.slice(1).map(({ freedMB }) => freedMB);
    };
    expect(longest('waiting')).toEqual([]);
    expect(longest('drained')).toEqual([220]);
  });
});
