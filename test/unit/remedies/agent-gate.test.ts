import { expect, test } from 'vitest';
import type { Requests } from '../../../src/core/model/requests.ts';
import type { AgentHook } from '../../../src/core/ports/agent-hook.ts';
import type { Situation } from '../../../src/core/ports/ports.ts';
import { AgentGate } from '../../../src/remedies/agent-gate.ts';
import { readingOf } from '../../support/reading.ts';

const HOOK = {} as AgentHook;
const REQUESTS: Requests = { inFlight: 2, waiting: 0, refused: 0, admittedPerSecond: 1, loopDelaySeconds: 0 };

interface Setup {
  gate?: 'auto' | 'off';
  listening?: boolean;
  hooks?: AgentHook[];
  requests?: Requests | null;
  draining?: () => { reason: string; retryAfterSeconds: number } | null;
}

function gateOf({
  gate = 'auto',
  listening = true,
  hooks = [HOOK],
  requests = REQUESTS,
  draining = () => null,
}: Setup): AgentGate {
  return new AgentGate({
    hooks: {
      listening,
      of: () => undefined,
      all: () => hooks,
      requests: () => requests,
      follow() {},
      waiting: () => null,
    },
    ...{
      gate,
      thresholds: { shedRatio: 0.85, criticalRatio: 0.92 },
      draining,
      level: () => 'ok' as const,
    },
  });
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
  const process = { info: { pid: 1 }, worker: { pid: 1 } };
  const attend = (nowMs: number) =>
    gate.attend({
      ...{ nowMs, pids: [1], agent: process, reading: readingOf(80, 100), outlook: {}, stuck: false },
    } as unknown as Situation);
  for (const nowMs of [0, 500, 1000, 1500, 2000]) attend(nowMs);
  drains = false;
  for (const nowMs of [2100, 2200]) attend(nowMs);
  expect(said).toEqual(['memory', 'draining', 'draining', 'draining', 'admitting']);
});
