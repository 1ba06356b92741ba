import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome, ProbeAnswer } from '../../../bench/goodput/balancer.ts';
import type { Life, Sample } from '../../../bench/goodput/replica.ts';
import { middle, type ReplicaObserved, score } from '../../../bench/goodput/score.ts';

const probe = (answeredMs: number, ready = true): ProbeAnswer => ({
  askedMs: answeredMs,
  answeredMs,
  ready,
  guardStatus: ready ? 200 : 503,
  guardBody: '',
});
const life = (listeningMs: number, diedMs?: number, cause: Life['cause'] = 'oom'): Life => ({
  pid: 1,
  listeningMs,
  diedMs,
  cause: diedMs === undefined ? undefined : cause,
  sessions: new Set(['a', 'b']),
});
const replica = (more: Partial<ReplicaObserved> = {}): ReplicaObserved => ({
  probes: [probe(0)],
  lives: [life(0)],
  samples: [],
  ...more,
});
const outcome = (more: Partial<Outcome> = {}): Outcome => ({
  result: 'served',
  session: 'a',
  replica: 0,
  atMs: 100,
  endedMs: 200,
  ...more,
});
/** Above the shed ratio for so long before the kill at 5000. */
const rising = (leadMs: number): Sample[] =>
  Array.from({ length: 500 }, (_, i) => ({
    atMs: i * 10,
    ratio: i * 10 >= 5000 - leadMs ? 0.9 : 0.5,
  }));
const during = [0, 10_000] as const;
const killed = (leadMs: number) => replica({ lives: [life(0, 5000), life(6500)], samples: rising(leadMs) });

describe('a score', () => {
  it('counts each request once', () => {
    const any = fc.record({
      result: fc.constantFrom<Outcome['result']>('served', 'refused', 'broken'),
      session: fc.constantFrom('a', 'b', 'c'),
      replica: fc.constantFrom(undefined, 0, 1, 2),
      atMs: fc.integer({ min: 0, max: 9000 }),
      endedMs: fc.integer({ min: 9000, max: 10_000 }),
    });
    fc.assert(
      fc.property(fc.array(any), fc.integer({ min: 0, max: 2000 }), (outcomes, leadMs) => {
        const found = score({ outcomes, replicas: [killed(leadMs), replica(), replica()], during });
        expect(found.served + found.refused + found.broken).toBe(outcomes.length);
        expect(found.brokenForeseeable).toBeLessThanOrEqual(found.broken);
        expect(found.noneReadyMs).toBeLessThanOrEqual(found.unreadyMs);
      }),
    );
  });

  it.each([
    { leadMs: 100, foreseeable: 0 },
    { leadMs: 400, foreseeable: 1 },
  ])('blames nobody for a kill after $leadMs ms above the ratio: $foreseeable', ({ leadMs, foreseeable }) => {
    const outcomes = [outcome({ result: 'broken', atMs: 4800, endedMs: 5001 })];
    expect(score({ outcomes, replicas: [killed(leadMs)], during }).brokenForeseeable).toBe(foreseeable);
  });

  it('excuses only the requests of the replica that was killed', () => {
    const outcomes = [outcome({ result: 'broken', replica: 1, atMs: 4800, endedMs: 5001 })];
    expect(score({ outcomes, replicas: [killed(100), replica()], during }).brokenForeseeable).toBe(1);
  });

  it('tells time without any ready replica from time without one of them', () => {
    const first = replica({ lives: [life(0, 2000), life(4000)] });
    const second = replica({ lives: [life(0, 3000, 'ended'), life(5000)] });
    const found = score({ outcomes: [], replicas: [first, second], during });
    expect(found).toMatchObject({ unreadyMs: 4000, noneReadyMs: 1000, kills: 1, ended: 1, sessionsLost: 4 });
  });

  it('counts a session that moves off a living replica, not off one that has ended', () => {
    const outcomes = [
      outcome({ session: 'a', replica: 0, atMs: 100 }),
      outcome({ session: 'b', replica: 1, atMs: 150 }),
      outcome({ session: 'a', replica: 1, atMs: 7000, endedMs: 7100 }),
      outcome({ session: 'b', replica: 0, atMs: 7000, endedMs: 7100 }),
    ];
    expect(score({ outcomes, replicas: [killed(0), replica()], during }).sessionsMoved).toBe(1);
  });

  it('gives latencies of served requests alone', () => {
    const outcomes = [
      ...Array.from({ length: 99 }, () => outcome({ endedMs: 150 })),
      outcome({ endedMs: 1100 }),
      outcome({ result: 'broken', endedMs: 9000 }),
    ];
    expect(score({ outcomes, replicas: [replica()], during })).toMatchObject({ p50Ms: 50, p99Ms: 50 });
  });

  it('is, of several runs, the middle, and the worst of what breaks', () => {
    const runs = [1, 2, 3].map((broken) =>
      score({
        outcomes: Array.from({ length: broken }, () => outcome({ result: 'broken' })),
        replicas: [replica()],
        during,
      }),
    );
    expect(middle(runs)).toMatchObject({ broken: 2, brokenForeseeable: 3, readyAtEnd: true });
  });
});
