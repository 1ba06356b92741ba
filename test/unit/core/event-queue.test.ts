import { describe, expect, it } from 'vitest';
import { enqueue } from '../../../src/core/event-queue.ts';
import type { EventReason, GuardianEvent } from '../../../src/core/events.ts';

let n = 0;
const event = (reason: EventReason, note = ''): GuardianEvent => ({
  id: String(++n),
  reason,
  type: reason === 'MemoryPressureRecovered' ? 'Normal' : 'Warning',
  note,
  at: '2026-01-02T03:04:05.000Z',
  count: 1,
  status: {} as GuardianEvent['status'],
});
const fill = (reasons: EventReason[], max = 100) =>
  reasons.reduce<readonly GuardianEvent[]>(
    (waiting, reason) => enqueue(waiting, event(reason), max).waiting,
    [],
  );
const reasons = (waiting: readonly GuardianEvent[]) => waiting.map((each) => each.reason);

describe('enqueue', () => {
  it('keeps the order', () => {
    const story: EventReason[] = ['MemoryPressureWarning', 'MemoryPressureShedding', 'MemoryPressureWarning'];
    expect(reasons(fill(story))).toEqual(story);
  });

  it('merges an event into the last one of the same reason: newest content, summed count', () => {
    const waiting = fill(['MemoryPressureWarning']);
    const once = enqueue(waiting, event('MemoryPressureWarning', 'second'), 100);
    const twice = enqueue(once.waiting, event('MemoryPressureWarning', 'third'), 100);
    expect(twice.result).toBe('merged');
    expect(twice.waiting).toHaveLength(1);
    expect(twice.waiting[0]).toMatchObject({ count: 3, note: 'third' });
    expect(waiting[0]?.count).toBe(1);
  });

  it('does not merge across another reason', () => {
    const waiting = fill(['MemoryPressureWarning', 'MemoryPressureRecovered']);
    expect(enqueue(waiting, event('MemoryPressureWarning'), 100).result).toBe('queued');
  });

  it('merges also when full', () => {
    const waiting = fill(['MemoryPressureWarning', 'MemoryPressureShedding'], 2);
    expect(enqueue(waiting, event('MemoryPressureShedding'), 2)).toMatchObject({ result: 'merged' });
  });

  it('gives up recovery before pressure before a death, the oldest first', () => {
    const full = fill(
      ['AgentOOMKilled', 'MemoryPressureWarning', 'MemoryPressureRecovered', 'MemoryPressureShedding'],
      4,
    );
    const first = enqueue(full, event('AgentExited'), 4);
    expect(first.result).toBe('dropped');
    expect(reasons(first.waiting)).toEqual([
      'AgentOOMKilled',
      'MemoryPressureWarning',
      'MemoryPressureShedding',
      'AgentExited',
    ]);
    const second = enqueue(first.waiting, event('MemoryPressureCritical'), 4);
    expect(reasons(second.waiting)).toEqual([
      'AgentOOMKilled',
      'MemoryPressureShedding',
      'AgentExited',
      'MemoryPressureCritical',
    ]);
  });

  it('gives up the new event when all waiting ones matter more', () => {
    const full = fill(['AgentOOMKilled', 'AgentExited'], 2);
    const { waiting, result } = enqueue(full, event('MemoryPressureRecovered'), 2);
    expect(result).toBe('dropped');
    expect(reasons(waiting)).toEqual(['AgentOOMKilled', 'AgentExited']);
  });
});
