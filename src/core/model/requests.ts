/** Requests of the agent, as the hooks in its processes see them. */
export interface Requests {
  inFlight: number;
  /** Held back by the gate. */
  waiting: number;
  /** How long one that comes now would wait; 0 where none waits. */
  waitSeconds: number;
  /** By the gate, since the guardian started. */
  refused: number;
  admittedPerSecond: number;
  /** How late the latest timer of an event loop was, of the latest of all loops. */
  loopDelaySeconds: number;
}
