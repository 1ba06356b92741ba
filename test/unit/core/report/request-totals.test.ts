import { describe, expect, test } from 'vitest';
import type { HookState } from '../../../../src/core/model/hook-messages.ts';
import { RequestTotals } from '../../../../src/core/report/request-totals.ts';

function state(more: Partial<HookState> = {}): HookState {
  return {
    ...{
      type: 'state',
      inFlight: 0,
      endsInMs: 0,
      waiting: 0,
      waitMs: 0,
      refused: 0,
      sigterm: false,
      lateMs: 0,
      servers: 1,
    },
    ...{ admittedPerSecond: 0, heap: { usedBytes: 1, limitBytes: 2 } },
    ...more,
  };
}

describe('requests of all processes', () => {
  test('are the sum of those that serve, with the latest event loop', () => {
    const states = [
      state({ inFlight: 3, waiting: 2, waitMs: 4000, admittedPerSecond: 2, lateMs: 20 }),
      state({ inFlight: 1, waiting: 4, waitMs: 2000, admittedPerSecond: 0.5, lateMs: 450 }),
      state({ servers: 0, lateMs: 9000 }),
    ];
    expect(new RequestTotals().of(states)).toEqual({
      ...{
        inFlight: 4,
        waiting: 6,
        waitSeconds: 3,
        refused: 0,
        admittedPerSecond: 2.5,
        loopDelaySeconds: 0.45,
      },
    });
  });

  test('are unknown where none serves', () => {
    expect(new RequestTotals().of([state({ servers: 0 })])).toBeNull();
  });

  test('are the same object while nothing changes', () => {
    const totals = new RequestTotals();
    const states = [state({ inFlight: 1 })];
    const before = totals.of(states);
    expect(totals.of([...states])).toBe(before);
    expect(totals.of([state({ inFlight: 2 })])).not.toBe(before);
  });

  test.each([
    [
      'of one process',
      [
        [1, 2],
        [1, 5],
      ],
      5,
    ],
    [
      'of several',
      [
        [1, 2],
        [2, 3],
        [1, 4],
      ],
      7,
    ],
    [
      'of one that connects again',
      [
        [1, 5],
        [1, 5],
        [1, 6],
      ],
      6,
    ],
    [
      'of another with the same pid',
      [
        [1, 5],
        [1, 0],
        [1, 2],
      ],
      7,
    ],
  ])('count refusals %s once', (_, said, refused) => {
    const totals = new RequestTotals();
    for (const [pid = 0, count = 0] of said) totals.heard(pid, state({ refused: count }));
    expect(totals.of([state()])?.refused).toBe(refused);
  });
});
