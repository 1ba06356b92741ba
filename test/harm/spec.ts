/** What the observer of one agent is given. */
export interface Spec {
  /** Where agents and the guardian leave their notes; their working directory. */
  folder: string;
  /** Of the agent. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** `run`: wrapped, in a cgroup that the guardian makes; `guard`: a sidecar beside it. */
  how: 'run' | 'guard';
  limitMiB: number;
  /** A cgroup with that limit, for what the guardian does not limit itself. */
  group?: string;
  /** User of guardian and agent, where it is not root. */
  uid?: number;
  /** The built command, and what is loaded into it to see what it touches. */
  cli: string;
  contacts: string;
  seconds: number;
  /** Clients of the agent on port 8080: 20 requests a second, or one answer that never ends. */
  clients?: 'steady' | 'stream';
  /** Ports the agent opens by itself; 8080 may always be open. */
  ports: readonly number[];
  /** A JVM is asked by SIGQUIT and a socket; from the warning level on that is the regular way in. */
  attach: boolean;
}

/** What was seen. Ratios are the observer's own readings of the cgroup. */
export interface Seen {
  /** Each in words; none for a guardian that does no harm. */
  interventions: string[];
  /** Why nothing can be said of the guardian. */
  problem?: string;
  restRatio: number;
  highestRatio: number;
  longestGapMs: number;
  /** Requests of the steady clients, and how long the slowest took. */
  answers?: { count: number; slowestMs: number };
  events: string[];
  /** Of the agent. */
  group?: string;
}
