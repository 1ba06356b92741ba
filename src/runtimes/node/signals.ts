import type { SpillwayError } from '../../core/lib/errors.ts';

/** What decides beside the process itself whether it is sent SIGUSR1. */
export interface NodeSignals {
  /** Why not; `undefined` where it may be sent now. */
  refusal(): SpillwayError | undefined;
  sent(): void;
  /** The inspector has opened. */
  answered(): void;
}

/** Time limits in milliseconds. */
export interface NodeTimeouts {
  /** To tell whether an address is an inspector. Default 300; measured 2–5. */
  askMs: number;
  /** For the WebSocket. Default 1,000; measured 2–10. */
  connectMs: number;
  /** From SIGUSR1 to the open inspector. Default 1,000; measured 25. */
  openMs: number;
  /** For the event loop to turn: a longer block is none to wait for. Default 300. */
  turnMs: number;
  /** For what only reads. Default 1,000; measured 1–4, and 700 in an agent that parses large JSON on a tenth of a core. */
  answerMs: number;
  /** For a collection. Default 10,000; measured 2,300 with 1.5 GB of live objects. */
  collectMs: number;
  /**
   * After how long without the guardian an inspector it opened closes itself. Default 2,400: it is renewed three times as often,
   * and each time what was logged since is let go; the agent does that itself four times a second while its loop turns.
   */
  switchMs: number;
}

export const NODE_TIMEOUTS: NodeTimeouts = {
  askMs: 300,
  connectMs: 1000,
  openMs: 1000,
  turnMs: 300,
  answerMs: 1000,
  collectMs: 10_000,
  switchMs: 2400,
};
