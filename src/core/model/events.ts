import type { Status } from './status.ts';

/** What holds for every event of a reason. */
export interface EventFacts {
  /** What the guardian does about it, for machines: `action` of the Kubernetes Event. */
  action: string;
  /**
   * How much it hurts to lose one: the `death` of an agent has a place of its own in every queue and the whole rate limit, a
   * graceful `end` the whole rate limit, `recovery` more of it than a `notice`.
   */
  importance: 'death' | 'end' | 'recovery' | 'notice';
  /** Where the event does not say otherwise: the end of an agent may be a normal one. */
  type: 'Normal' | 'Warning';
  /** Its note names what grew, once that is known. */
  withGrowth: boolean;
  /** One sentence for the reference. */
  when: string;
}

/** All events by reason, as they stand in Kubernetes Events, in the log field `event`, in webhooks and in `spillway_events_total`. */
export const EVENTS = {
  MemoryPressureWarning: {
    action: 'Watch',
    importance: 'notice',
    type: 'Warning',
    withGrowth: false,
    when: 'the agent enters `warning`',
  },
  MemoryPressureShedding: {
    action: 'RefuseWork',
    importance: 'notice',
    type: 'Warning',
    withGrowth: true,
    when: 'the agent enters `shedding`',
  },
  MemoryPressureCritical: {
    action: 'RefuseAllWork',
    importance: 'notice',
    type: 'Warning',
    withGrowth: true,
    when: 'the agent enters `critical`',
  },
  MemoryPressureRecovered: {
    action: 'TakeWork',
    importance: 'recovery',
    type: 'Normal',
    withGrowth: false,
    when: 'the agent is back to `ok`',
  },
  MemoryLimitForecast: {
    action: 'Forecast',
    importance: 'notice',
    type: 'Warning',
    withGrowth: true,
    when: 'at the present growth the limit is less than a minute away',
  },
  MemoryLeakSuspected: {
    action: 'Watch',
    importance: 'notice',
    type: 'Warning',
    withGrowth: true,
    when: 'the floor after collections keeps rising while load does not',
  },
  MemoryGrowthNamed: {
    action: 'Profile',
    importance: 'notice',
    type: 'Warning',
    withGrowth: false,
    when: 'the guardian knows what grows: kinds and sites',
  },
  HeapLimitTooHigh: {
    action: 'Advise',
    importance: 'notice',
    type: 'Warning',
    withGrowth: false,
    when: 'the heap limit is too large for the container, so the kernel kills the agent before the runtime collects aggressively',
  },
  GarbageCollected: {
    action: 'CollectGarbage',
    importance: 'notice',
    type: 'Normal',
    withGrowth: false,
    when: 'a collection returned memory, or the result of collections has changed',
  },
  AgentOOMKilled: {
    action: 'ReportDeath',
    importance: 'death',
    type: 'Warning',
    withGrowth: true,
    when: 'the kernel’s OOM killer killed the agent or a child process',
  },
  AgentExited: {
    action: 'ReportDeath',
    importance: 'death',
    type: 'Warning',
    withGrowth: true,
    when: 'the agent ended for another reason: exit code, signal, V8’s own heap limit',
  },
  AgentStuck: {
    action: 'TakeWork',
    importance: 'notice',
    type: 'Warning',
    withGrowth: true,
    when: 'shedding cannot help, so the agent is ready again; or it was not recycled because it needs more memory than its limit',
  },
  AgentRecycled: {
    action: 'Recycle',
    importance: 'end',
    type: 'Warning',
    withGrowth: false,
    when: 'the agent was ended gracefully: why, how long its work in flight took, the result',
  },
  PreKillHookCalled: {
    action: 'CallHook',
    importance: 'notice',
    type: 'Warning',
    withGrowth: false,
    when: 'the kill is foreseen and `pre-kill-hook` was called: its answer',
  },
  GateCrowded: {
    action: 'RefuseWork',
    importance: 'notice',
    type: 'Warning',
    withGrowth: false,
    when: 'requests wait so long for memory that the agent is un-ready until fewer do',
  },
  GuardianBlind: {
    action: 'Report',
    importance: 'notice',
    type: 'Warning',
    withGrowth: false,
    when: 'there is no valid reading for 5 s; `on-blind` decides readiness',
  },
} as const satisfies Readonly<Record<string, EventFacts>>;

export type EventReason = keyof typeof EVENTS;

/** What holds for events of this reason. */
export const factsOf = (reason: EventReason): EventFacts => EVENTS[reason];

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
export type Finding = Pick<GuardianEvent, 'reason' | 'note'> & Partial<Pick<GuardianEvent, 'type'>>;
