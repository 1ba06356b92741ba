/** Why a better source is not in use. */
export type DegradedCode =
  | 'cgroup_unreadable' // neither use nor limit of the agent's cgroup
  | 'no_memory_limit' // neither option nor kernel nor downward API gives one
  | 'shared_cgroup' // others are charged to the agent's cgroup, too
  | 'limit_above_kernel' // `--limit` is above the limit that the kernel enforces
  | 'ancestor_unreadable'; // the limit of a group above the agent's is not judged

/** What should be set otherwise. */
export type AdviceCode =
  | 'heap_limit_too_high' // the container cannot hold V8's heap
  | 'events_forbidden'; // the service account may not post Events

/** A condition of guardian or agent, as the status lists it. Programs go by the code, people read the rest. */
export interface Notice<Code extends DegradedCode | AdviceCode = DegradedCode | AdviceCode> {
  /** Closed and stable. */
  code: Code;
  /** What is the matter, in one sentence without its end. */
  message: string;
  /** What to change. */
  hint: string;
}

export type Degraded = Notice<DegradedCode>;
export type Advised = Notice<AdviceCode>;
