import { describe, expect, test } from 'vitest';
import type { Requests } from '../../../src/core/model/requests.ts';
import type { AgentHook } from '../../../src/core/ports/agent-hook.ts';
import type { Situation } from '../../../src/core/ports/ports.ts';
import { AgentGate } from '../../../src/remedies/agent-gate.ts';
import { readingOf } from '../../support/reading.ts';

const HOOK = {} as AgentHook;
const REQUESTS: Requests = {
  ...{ inFlight: 2, waiting: 0, waitSeconds: 0, refused: 0, admittedPerSecond: 1, loopDelaySeconds: 0 },
};

interface Setup {
  gate?: 'auto' | 'off';
  listening?: boolean;
  hooks?: AgentHook[];
  requests?: Requests | null | (() => Requests | null);
  alone?: boolean;
  draining?: () => { reason: string; retryAfterSeconds: number } | null;
}

function gateOf({
  gate = 'auto',
  listening = true,
  hooks = [HOOK],
  requests = REQUESTS,
  draining = () => null,
  alone = false,
}: Setup): AgentGate {
  return new AgentGate({
    hooks: {
      listening,
      of: () => undefined,
      all: () => hooks,
      requests: () => (typeof requests === 'function' ? requests() : requests),
      follow() {},
      waiting: () => null,
    },
    ...{
      ...{ gate, alone },
      thresholds: { shedRatio: 0.85, criticalRatio: 0.92 },
      draining,
      level: () => 'ok' as const,
    },
  });
}

function situationAt(nowMs: number): Situation {
  const process = { info: { pid: 1 }, worker: { pid: 1 } };
  return {
    ...{ nowMs, pids: [1], agent: process, reading: readingOf(80, 100), outlook: {}, stuck: false },
  } as unknown as Situation;
}

test.each<[code: string, state: string, Setup]>([
  ['off', 'off', { gate: 'off' }],
  ['not_listening', 'off', { listening: false }],
  ['not_connected', 'idle', { hooks: [] }],
  ['no_requests', 'idle', { requests: null }],
  ['admitting', 'idle', {}],
  ['holding_back', 'acting', { requests: { ...REQUESTS, waiting: 4 } }],
])('says %s', (code, state, setup) => {
  expect(gateOf(setup).status()).toMatchObject({ name: 'gate', state, code });
});

test('says that so many wait that it is un-ready', () => {
  const hook = { send() {} } as unknown as AgentHook;
  const gate = gateOf({ hooks: [hook], requests: { ...REQUESTS, waiting: 40, waitSeconds: 9 } });
  gate.attend(situationAt(0));
  expect(gate.status()).toMatchObject({ name: 'gate', state: 'acting', code: 'crowded' });
});

test('says how many wait, and how many are in flight', () => {
  expect(gateOf({ requests: { ...REQUESTS, waiting: 4 } }).status().why).toBe(
    '4 wait for memory, 2 in flight',
  );
});

test('says again and again that the agent is drained, and once that it no longer is', () => {
  const said: string[] = [];
  const hook = { send: ({ type }: { type: string }) => void said.push(type) } as unknown as AgentHook;
  let drains = true;
  const gate = gateOf({
    hooks: [hook],
    draining: () => (drains ? { reason: 'a test', retryAfterSeconds: 3 } : null),
  });
  const attend = (nowMs: number) => gate.attend(situationAt(nowMs));
  for (const nowMs of [0, 500, 1000, 1500, 2000]) attend(nowMs);
  drains = false;
  for (const nowMs of [2100, 2200]) attend(nowMs);
  expect(said).toEqual(['memory', 'draining', 'draining', 'draining', 'admitting']);
});

describe('so many wait that others should get new work', () => {
  let waitSeconds = 0;
  const requests = () => ({ ...REQUESTS, waiting: 40, waitSeconds });
  const crowdedAt = (gate: AgentGate, atSeconds: number, seconds: number) => {
    waitSeconds = seconds;
    gate.attend(situationAt(1000 * atSeconds));
    return gate.crowded;
  };

  test('from a long wait on, until it is half as long', () => {
    const gate = gateOf({ requests, hooks: [] });
    const waits = [6.9, 7, 5, 4, 3.9, 5, 6.9];
    expect(waits.map((seconds, i) => crowdedAt(gate, i, seconds))).toEqual([
      ...[false, true, true, true, false, false, false],
    ]);
  });

  test('says so once, and again for another crowd', () => {
    const gate = gateOf({ requests, hooks: [] });
    for (const [atSeconds, seconds] of [
      [0, 8],
      [5, 1],
      [30, 9],
      [35, 1],
      [120, 8.25],
    ] as const)
      crowdedAt(gate, atSeconds, seconds);
    expect(gate.findings()).toEqual([
      {
        reason: 'GateCrowded',
        note: 'Un-ready: 40 requests wait for memory, 2 are in flight, and one that came now would wait for about 8.0 s.',
      },
      {
        reason: 'GateCrowded',
        note: 'Un-ready: 40 requests wait for memory, 2 are in flight, and one that came now would wait for about 8.3 s.',
      },
    ]);
    expect(gate.findings()).toEqual([]);
  });

  test('never where there are no others, and not once the hook is gone', () => {
    expect(crowdedAt(gateOf({ requests, hooks: [], alone: true }), 0, 9)).toBe(false);
    let known: Requests | null = { ...REQUESTS, waiting: 40, waitSeconds: 9 };
    const gate = gateOf({ requests: () => known, hooks: [] });
    expect(crowdedAt(gate, 0, 9)).toBe(true);
    known = null;
    expect(crowdedAt(gate, 1, 9)).toBe(false);
  });
});
