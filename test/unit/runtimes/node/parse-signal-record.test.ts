import { expect, it } from 'vitest';
import { SignalMemory } from '../../../../src/runtimes/node/parse-signal-record.ts';
import { golden } from '../../../support/golden.ts';

const AT = '2026-01-01T00:00:00.000Z';

/** What is said of a signal at 0 ms that opened nothing, before the agent's end and after it. */
function saidOf(endedMs: number) {
  const memory = new SignalMemory();
  memory.sent('agent', 0);
  const before = memory.refusal('agent');
  return { before, ending: memory.ended(endedMs, false, AT), after: memory.refusal('agent') };
}
const { before: OPENED_NOTHING, ending: ENDING, after: ENDED_AT_IT } = saidOf(400);
const { after: HAD_OPENED_NOTHING } = saidOf(60_000);

golden('signal-record', () => [OPENED_NOTHING, ENDING, ENDED_AT_IT, HAD_OPENED_NOTHING].map(String));

it('knows nothing against a program whose inspector opened, whatever came after', () => {
  const memory = new SignalMemory();
  memory.sent('agent', 0);
  memory.answered();
  expect(memory.ended(500, false, AT)).toBe(undefined);
  expect(memory.refusal('agent')).toBe(undefined);
});

it('lets nobody send it again in the same life while no inspector has opened', () => {
  const memory = new SignalMemory();
  memory.sent('agent', 0);
  expect(memory.refusal('agent')).toBe(OPENED_NOTHING);
  expect(memory.refusal('another')).toBe(undefined);
  memory.answered(); // late
  expect(memory.refusal('agent')).toBe(undefined);
});

it('says that a program ended at the signal, and lets no other life of it have one', () => {
  const memory = new SignalMemory();
  memory.sent('agent', 1000);
  expect(memory.ended(1400, false, AT)).toBe(ENDING);
  expect(memory.refusal('agent')).toBe(ENDED_AT_IT);
  expect(memory.refusal('another')).toBe(undefined);
  expect(new SignalMemory(memory.barred).refusal('agent')).toBe(ENDED_AT_IT);
});

it('blames the signal for no kill for memory, and for no later end', () => {
  const memory = new SignalMemory();
  memory.sent('agent', 0);
  expect(memory.ended(100, true, AT)).toBe(undefined);
  expect(memory.refusal('agent')).toBe(undefined);
  memory.sent('agent', 10_000);
  expect(memory.ended(70_000, false, AT)).toBe(undefined);
  expect(memory.refusal('agent')).toBe(HAD_OPENED_NOTHING);
});

it('remembers a hundred command lines at most', () => {
  const memory = new SignalMemory();
  for (let i = 0; i < 150; i++) {
    memory.sent(`agent ${i}`, 0);
    memory.ended(10, false, AT);
  }
  expect(memory.barred).toHaveLength(100);
  expect(memory.refusal('agent 149')).toBe(ENDED_AT_IT);
});
