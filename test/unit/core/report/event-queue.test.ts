import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventReason, GuardianEvent } from '../../../../src/core/model/events.ts';
import { enqueue, type QueueBounds } from '../../../../src/core/report/event-queue.ts';
import { eventOf as event } from '../../../support/event.ts';

const fill = (reasons: EventReason[], bounds: QueueBounds = { max: 100 }) =>
  reasons.reduce<readonly GuardianEvent[]>(
    (waiting, reason) => enqueue(waiting, event(reason), bounds).waiting,
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
    const once = enqueue(waiting, event('MemoryPressureWarning', { at: 'second' }), { max: 100 });
    const twice = enqueue(once.waiting, event('MemoryPressureWarning', { at: 'third' }), { max: 100 });
    expect(twice).toMatchObject({ merged: 1, dropped: 0 });
    expect(twice.waiting).toHaveLength(1);
    expect(twice.waiting[0]).toMatchObject({ count: 3, at: 'third', firstAt: waiting[0]?.at });
    expect(waiting[0]?.count).toBe(1);
  });

  it('does not merge across another reason', () => {
    const waiting = fill(['MemoryPressureWarning', 'MemoryPressureRecovered']);
    expect(enqueue(waiting, event('MemoryPressureWarning'), { max: 100 })).toMatchObject({
      merged: 0,
      dropped: 0,
    });
  });

  it('merges also when full', () => {
    const waiting = fill(['MemoryPressureWarning', 'MemoryPressureShedding'], { max: 2 });
    expect(enqueue(waiting, event('MemoryPressureShedding'), { max: 2 })).toMatchObject({
      merged: 1,
      dropped: 0,
    });
  });

  it('gives up recovery before pressure before a death, the oldest first', () => {
    const full = fill(
      ['AgentOOMKilled', 'MemoryPressureWarning', 'MemoryPressureRecovered', 'MemoryPressureShedding'],
      { max: 4 },
    );
    const first = enqueue(full, event('AgentExited'), { max: 4 });
    expect(first).toMatchObject({ merged: 0, dropped: 1 });
    expect(reasons(first.waiting)).toEqual([
      'AgentOOMKilled',
      'MemoryPressureWarning',
      'MemoryPressureShedding',
      'AgentExited',
    ]);
    const second = enqueue(first.waiting, event('MemoryPressureCritical'), { max: 4 });
    expect(reasons(second.waiting)).toEqual([
      'AgentOOMKilled',
      'MemoryPressureShedding',
      'AgentExited',
      'MemoryPressureCritical',
    ]);
  });

  it('gives up the new event when all waiting ones matter more', () => {
    const full = fill(['AgentOOMKilled', 'AgentExited'], { max: 2 });
    const { waiting, dropped } = enqueue(full, event('MemoryPressureRecovered'), { max: 2 });
    expect(dropped).toBe(1);
    expect(reasons(waiting)).toEqual(['AgentOOMKilled', 'AgentExited']);
  });

  it('rather counts one that is repeated later with that one: no kind is lost', () => {
    const full = fill(['MemoryPressureWarning', 'MemoryPressureRecovered', 'AgentOOMKilled'], { max: 3 });
    const { waiting, merged } = enqueue(full, event('MemoryPressureWarning', { at: 'now' }), { max: 3 });
    expect(merged).toBe(1);
    expect(waiting.map(({ reason, count }) => [reason, count])).toEqual([
      ['MemoryPressureRecovered', 1],
      ['AgentOOMKilled', 1],
      ['MemoryPressureWarning', 2],
    ]);
    expect(waiting[2]).toMatchObject({ at: 'now', firstAt: full[0]?.at });
  });

  it('keeps one of each reason but deaths, for who takes repeats as one', () => {
    const story: EventReason[] = ['MemoryPressureWarning', 'AgentOOMKilled', 'MemoryPressureRecovered'];
    const waiting = fill([...story, ...story, ...story], { max: 100, coalesce: true });
    expect(waiting.map(({ reason, count }) => `${reason} ${count}`)).toEqual([
      'AgentOOMKilled 1',
      'AgentOOMKilled 1',
      'MemoryPressureWarning 3',
      'AgentOOMKilled 1',
      'MemoryPressureRecovered 3',
    ]);
  });

  it('is bounded in bytes too, and keeps the last word however long', () => {
    const note = 'x'.repeat(10_000);
    const bounds = { max: 100, maxBytes: 40_000 };
    let waiting: readonly GuardianEvent[] = [];
    for (const reason of [
      'GarbageCollected',
      'AgentStuck',
      'AgentExited',
      'AgentRecycled',
      'GuardianBlind',
    ] as const)
      waiting = enqueue(waiting, event(reason, { note }), bounds).waiting;
    expect(reasons(waiting)).toEqual(['AgentExited', 'AgentRecycled', 'GuardianBlind']);
    expect(enqueue([], event('AgentExited', { note }), { max: 1, maxBytes: 10 }).waiting).toHaveLength(1);
  });

  it('loses no count and no bound, whatever comes', () => {
    const some = fc.constantFrom<EventReason>(
      ...(['MemoryPressureWarning', 'MemoryPressureRecovered', 'AgentOOMKilled', 'AgentExited'] as const),
    );
    fc.assert(
      fc.property(fc.array(some), fc.integer({ min: 1, max: 6 }), fc.boolean(), (story, max, coalesce) => {
        let waiting: readonly GuardianEvent[] = [];
        for (const reason of story) {
          const before = waiting.reduce((sum, { count }) => sum + count, 1);
          const next = enqueue(waiting, event(reason), { max, coalesce });
          waiting = next.waiting;
          expect(waiting.length).toBeLessThanOrEqual(max);
          const after = waiting.reduce((sum, { count }) => sum + count, 0);
          if (next.dropped === 0) expect(after).toBe(before);
          else expect(after).toBeLessThan(before);
        }
        // four reasons in a queue of four: nothing is lost
        if (max >= 4) expect(new Set(reasons(waiting))).toEqual(new Set(story));
      }),
    );
  });
});
