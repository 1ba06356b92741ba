import { expect, test } from 'vitest';
import type { Requests } from '../../../src/core/model/requests.ts';
import type { AgentHook } from '../../../src/core/ports/agent-hook.ts';
import { AgentGate } from '../../../src/remedies/agent-gate.ts';

const HOOK = {} as AgentHook;
const REQUESTS: Requests = { inFlight: 2, waiting: 0, refused: 0, admittedPerSecond: 1, loopDelaySeconds: 0 };

interface Setup {
  gate?: 'auto' | 'off';
  listening?: boolean;
  hooks?: AgentHook[];
  requests?: Requests | null;
}

function gateOf({ gate = 'auto', listening = true, hooks = [HOOK], requests = REQUESTS }: Setup): AgentGate {
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
      draining: () => null,
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
