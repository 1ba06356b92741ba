import type { EventReason, GuardianEvent } from '../../src/core/model/events.ts';
import { statusWith } from './status.ts';

let n = 0;

/** An event of the guardian, with what a test wants otherwise. */
export function eventOf(reason: EventReason, changes: Partial<GuardianEvent> = {}): GuardianEvent {
  const calm = reason === 'MemoryPressureRecovered' || reason === 'GarbageCollected';
  return {
    id: `0b9f5c1e-0000-4000-8000-${String(++n).padStart(12, '0')}`,
    reason,
    type: calm ? 'Normal' : 'Warning',
    note: `${reason} happened.`,
    at: '2026-01-02T03:04:05.678Z',
    count: 1,
    status: statusWith(),
    ...changes,
  };
}
