import type { Status } from './status.ts';

/** Reasons, as they stand in Kubernetes Events, in the log field `event`, in webhooks and in `spillway_events_total`. */
export const EVENT_REASONS = [
  'MemoryPressureWarning',
  'MemoryPressureShedding',
  'MemoryPressureCritical',
  'MemoryPressureRecovered',
  'MemoryLimitForecast',
  'MemoryLeakSuspected',
  'MemoryGrowthNamed',
  'HeapLimitTooHigh',
  'GarbageCollected',
  'AgentOOMKilled',
  'AgentExited',
  'AgentStuck',
  'AgentRecycled',
  'GuardianBlind',
] as const;

export type EventReason = (typeof EVENT_REASONS)[number];

/** One thing worth telling: emitted on transitions only. */
export interface GuardianEvent {
  /** Unique, also across restarts of the guardian; receivers can drop repeats by it. */
  id: string;
  reason: EventReason;
  /** `Normal` for recovery and collections, `Warning` for everything else. */
  type: 'Normal' | 'Warning';
  /** One or two sentences: what, how much, what comes next. At most 1,024 characters. */
  note: string;
  /** ISO 8601 wall-clock time. */
  at: string;
  /** How often the same reason came while the event waited for a sink; 1 when it did not. */
  count: number;
  /** ISO time of the first of them; only where `count` is more than 1. */
  firstAt?: string;
  status: Status;
}

/** Something to tell: an event without its time, its status and its number. */
export type Finding = Pick<GuardianEvent, 'reason' | 'type' | 'note'>;
