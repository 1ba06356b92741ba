import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type GuardianMessage,
  type HookMessage,
  parseGuardianMessage,
  parseHookMessage,
  renderMessage,
} from '../../../../src/core/model/hook-messages.ts';

const FROM_HOOK: HookMessage[] = [
  { type: 'hello', version: 1, pid: 7, start: 1234, node: 'v22.1.0' },
  { type: 'hello', version: 1, pid: 7, start: null, node: 'v22.1.0' },
  {
    ...{ type: 'state', inFlight: 2, endsInMs: 500, waiting: 1, waitMs: 250, refused: 0, sigterm: true },
    ...{ lateMs: 1.5, servers: 1, admittedPerSecond: 0.5, heap: { usedBytes: 1, limitBytes: 2 } },
  },
  {
    ...{ type: 'state', inFlight: 2, endsInMs: 0, waiting: 1, waitMs: 250, refused: 0, sigterm: true },
    ...{ lateMs: 1.5, servers: 1, admittedPerSecond: 0.5 },
    heap: { usedBytes: 3, limitBytes: 4, left: { bytes: 2, agoMs: 10 } },
  },
  { type: 'cdp', message: { id: 1, result: {} } },
  { type: 'cdp', message: { method: 'HeapProfiler.addHeapSnapshotChunk', params: { chunk: '{' } } },
];
const MEMORY: GuardianMessage = {
  ...{ type: 'memory', atMs: 5, usedBytes: 100, limitBytes: 1000, ratio: 0.1, level: 'ok', stuck: false },
  ...{ shedRatio: 0.85, criticalRatio: 0.92, growthPerSecond: -3, secondsToLimit: null, heap: null },
};
const FROM_GUARDIAN: GuardianMessage[] = [
  { type: 'hello', version: 1, gate: 'auto', exempt: ['/healthz'] },
  MEMORY,
  { ...MEMORY, secondsToLimit: 2, heap: { usedBytes: 1, limitBytes: 2 } },
  { type: 'draining', reason: 'the agent is being recycled', retryAfterSeconds: 3 },
  { type: 'admitting' },
  { type: 'ask' },
  { type: 'cdp-open' },
  { type: 'cdp-close' },
  { type: 'cdp', message: { id: 1, method: 'HeapProfiler.collectGarbage', params: {} } },
];

/** The error that names a message's type and one of its fields. */
const malformed = (type: string, field: string) =>
  expect.objectContaining({
    code: 'malformed',
    message: expect.stringMatching(new RegExp(`\\b${type}: ${field}\\b`)),
  });

describe.each([
  ['hook', FROM_HOOK, parseHookMessage],
  ['guardian', FROM_GUARDIAN, parseGuardianMessage],
] as const)('messages of the %s', (_from, messages, parse) => {
  it.each(
    messages.map((message) => [message.type, message]),
  )('%s arrives as it was sent', (_type, message) => {
    const line = renderMessage(message);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(parse(line.trimEnd())).toEqual(message);
  });

  it('are refused without one of their fields, or with another kind of value in it', () => {
    for (const message of messages)
      for (const field of Object.keys(message).filter((each) => each !== 'type'))
        for (const value of [undefined, {}, [1]]) {
          const line = JSON.stringify({ ...message, [field]: value });
          expect(() => parse(line), line).toThrow(malformed(message.type, field));
        }
  });

  it('of a later release are ignored', () => {
    expect(parse('{"type":"pause","ms":5}')).toBeUndefined();
    for (const type of ['__proto__', 'constructor', 'toString'])
      expect(parse(JSON.stringify({ type }))).toBeUndefined();
  });

  it.each(['', 'nonsense', 'null', '[]', '1', '{}', '{"type":1}'])('%j is malformed', (line) => {
    expect(() => parse(line)).toThrow(expect.objectContaining({ code: 'malformed' }));
  });

  it('throw nothing but that, whatever comes', () => {
    const types = fc.constantFrom(...messages.map(({ type }) => type));
    fc.assert(
      fc.property(types, fc.dictionary(fc.string(), fc.jsonValue()), (type, fields) => {
        try {
          parse(JSON.stringify({ ...fields, type }));
        } catch (error) {
          expect(error).toMatchObject({ code: 'malformed' });
        }
      }),
    );
  });
});

it('takes negative and endless numbers only where they make sense', () => {
  const state = FROM_HOOK[2];
  for (const inFlight of [-1, 0.5])
    expect(() => parseHookMessage(JSON.stringify({ ...state, inFlight }))).toThrow(
      malformed('state', 'inFlight'),
    );
  expect(() => parseGuardianMessage(JSON.stringify(MEMORY).replace('-3', '1e999'))).toThrow(
    malformed('memory', 'growthPerSecond'),
  );
});
