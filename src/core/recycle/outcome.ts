export type RecycleStep = 'draining' | 'terminating' | 'done';

/**
 * The result. `ended`: after SIGTERM. `ended_before`: by itself while it was drained. `left_running`: SIGTERM was sent
 * and the grace is over; nothing more is done. `refused`: SIGTERM could not be sent. `cancelled`: before SIGTERM.
 */
export type RecycleResult = 'ended' | 'ended_before' | 'left_running' | 'refused' | 'cancelled';

/** What was seen and how long it took, for the event and the record. Times in milliseconds. */
export interface RecycleOutcome {
  result: RecycleResult;
  /** From SIGTERM on; `null` when it was not sent. */
  endedMs: number | null;
  /** Until SIGTERM, or the end of it all. */
  drainedMs: number;
  /** When the drain began, and at its end; `null` where that is unknown. */
  inFlight: { before: number | null; after: number | null };
  end: RecycleEnd;
}

/** How it came to the result. Milliseconds after SIGTERM. */
export type RecycleEnd =
  | { code: 'ended_before' }
  | { code: 'ended'; afterMs: number }
  | { code: 'handed_over'; afterMs: number } // its parent process is still running
  | { code: 'left_running'; afterMs: number }
  | { code: 'sigterm_not_sent'; message: string }
  | { code: 'not_judged' } // the state of the agent is unknown
  | { code: 'port_closed' } // it is shutting down already
  | { code: 'work_goes_on' } // and SIGTERM would break it
  | { code: 'called_off'; message: string };

/** What an end counts as. */
export const RESULTS: Readonly<Record<RecycleEnd['code'], RecycleResult>> = {
  ended_before: 'ended_before',
  ended: 'ended',
  handed_over: 'ended',
  left_running: 'left_running',
  sigterm_not_sent: 'refused',
  not_judged: 'cancelled',
  port_closed: 'cancelled',
  work_goes_on: 'cancelled',
  called_off: 'cancelled',
};

/** What has to be known of the agent, and reported, during a recycle; none of these throws. */
export interface RecycleWork {
  /** Requests in flight; `null` where that is unknown: then the drain lasts for the whole of its time. */
  inFlight(): Promise<number | null>;
  /** In how many seconds those have ended, as far as such requests tell; `null` where that is unknown. */
  endsInSeconds(): number | null;
  /** Whether the kill is imminent: work in flight is lost in any case, SIGTERM may still save the rest. */
  urgent(): boolean;
  /** Whether SIGTERM may be sent with work in flight: the agent handles it, and the kill comes before that ends. */
  mayBreak(): boolean;
  /** Whether clients had the time to notice that the agent is un-ready. */
  noticed(): boolean;
  /** Whether it is going to be killed otherwise, as of now: without that SIGTERM is not sent. */
  needed(): boolean;
  /** Whether `needed` has a recent answer; without one the recycle is cancelled. */
  judged(): boolean;
  alive(): boolean;
  /** SIGTERM was sent. */
  terminated(): void;
}

/** An agent that is being recycled. */
export interface Recycling {
  /** Never rejects. */
  readonly outcome: Promise<RecycleOutcome>;
  /** @returns false when SIGTERM was sent already */
  callOff(why: string): boolean;
}
