import { expect, it } from 'vitest';
import { SignalMemory } from '../../../../src/runtimes/node/parse-signal-record.ts';

const AT = '2026-01-01T00:00:00.000Z';

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
  expect(memory.refusal('agent')).toContain('opened no inspector');
  expect(memory.refusal('another')).toBe(undefined);
  memory.answered(); // late
  expect(memory.refusal('agent')).toBe(undefined);
});

it('says that a program ended at the signal, and lets no other life of it have one', () => {
  const memory = new SignalMemory();
  memory.sent('agent', 1000);
  expect(memory.ended(1400, false, AT)).toMatch(/400 ms after SIGUSR1.*gc: inspect-only/);
  expect(memory.refusal('agent')).toContain('ended at SIGUSR1');
  expect(memory.refusal('another')).toBe(undefined);
  expect(new SignalMemory(memory.barred).refusal('agent')).toContain('ended');
});

it('blames the signal for no kill for memory, and for no later end', () => {
  const memory = new SignalMemory();
  memory.sent('agent', 0);
  expect(memory.ended(100, true, AT)).toBe(undefined);
  expect(memory.refusal('agent')).toBe(undefined);
  memory.sent('agent', 10_000);
  expect(memory.ended(70_000, false, AT)).toBe(undefined);
  expect(memory.refusal('agent')).toContain('opened no inspector');
});

it('remembers a hundred command lines at most', () => {
  const memory = new SignalMemory();
  for (let i = 0; i < 150; i++) {
    memory.sent(`agent ${i}`, 0);
    memory.ended(10, false, AT);
  }
  expect(memory.barred).toHaveLength(100);
  expect(memory.refusal('agent 149')).toContain('ended');
});
