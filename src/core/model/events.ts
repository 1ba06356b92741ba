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

/** When each event is emitted, in Markdown. */
export const EVENT_WHEN: Readonly<Record<EventReason, string>> = {
  MemoryPressureWarning: 'the agent enters `warning`',
  MemoryPressureShedding: 'the agent enters `shedding`',
  MemoryPressureCritical: 'the agent enters `critical`',
  MemoryPressureRecovered: 'the agent is back to `ok`',
  MemoryLimitForecast: 'at the present growth the limit is less than a minute away',
  MemoryLeakSuspected: 'the floor after collections keeps rising while load does not',
  MemoryGrowthNamed: 'the guardian knows what grows: kinds and sites',
  HeapLimitTooHigh: 'the heap may outgrow the container, so the runtime never collects it hard',
  GarbageCollected: 'a collection returned memory, or began to have another result than before',
  AgentOOMKilled: 'the kernel killed the agent, or a child of it, for memory',
  AgentExited: 'the agent ended otherwise: exit code, signal, V8’s own heap limit',
  AgentStuck:
    'shedding cannot help, so the agent is ready again; or it was not recycled because it needs more memory than its limit',
  AgentRecycled: 'the agent was ended gracefully: why, how long its work in flight took, the result',
  GuardianBlind: 'there is no valid reading for 5 s; `on-blind` decides readiness',
};

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
