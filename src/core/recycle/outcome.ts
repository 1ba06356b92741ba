export type RecycleStep = 'draining' | 'terminating' | 'done';

/**
 * How it came out. `ended`: after SIGTERM. `ended_before`: by itself while it was drained. `left_running`: SIGTERM was sent
 * and the grace is over; nothing more is done. `refused`: SIGTERM could not be sent. `cancelled`: before SIGTERM.
 */
export type RecycleResult = 'ended' | 'ended_before' | 'left_running' | 'refused' | 'cancelled';

/** What was seen and how long it took, for the event and the record. Times in milliseconds. */
export interface RecycleOutcome {
  result: RecycleResult;
  drainedMs: number;
  /** From SIGTERM on; `null` when it was not sent. */
  endedMs: number | null;
  /** Requests in work at the start and when draining was over; `null` when that could not be told. */
  inFlightBefore: number | null;
  inFlightAfter: number | null;
  /** One sentence. */
  note: string;
}

/** What has to be known of the agent, and told, while it is being ended; none of these throws. */
export interface RecycleWork {
  /** Requests in work; `null` when that cannot be told: then it is drained for the whole of its time. */
  inFlight(): Promise<number | null>;
  /** Whether the kill is about to come: what is in work is lost in any case, SIGTERM may still save the rest. */
  urgent(): boolean;
  /** Whether it is going to be killed otherwise, as of now: without that SIGTERM is not sent. */
  needed(): boolean;
  /** Whether that could be told lately; else it is called off. */
  judged(): boolean;
  alive(): boolean;
  /** SIGTERM was sent. */
  terminated(): void;
}

/** An agent that is being ended in order. */
export interface Recycling {
  readonly step: RecycleStep;
  /** Never rejects. */
  readonly outcome: Promise<RecycleOutcome>;
  /** @returns false when SIGTERM was sent already */
  callOff(why: string): boolean;
}
