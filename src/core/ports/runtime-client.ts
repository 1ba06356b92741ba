import { SpillwayError } from '../lib/errors.ts';
import { clean } from '../lib/text.ts';
import type { Collection, GcWay, HeapFacts, Profile } from '../model/heap.ts';
import type { Runtime } from '../model/status.ts';

const MOST_MESSAGE = 500;

/** A way into the agent's runtime that did not open, or not in time. Nothing was changed in the agent. */
export class RuntimeClientError extends Error {
  override readonly name = 'ReachError';
  /** `refused`: it cannot be done here; `timeout`: the agent did not answer in time. */
  readonly outcome: 'refused' | 'timeout';
  readonly hint: string | undefined;
  /** Whether asking again soon may do: a start-up, a port in use for the moment. */
  readonly passing: boolean;
  /** There is a way in, by a signal, and it is kept for a more serious moment. */
  readonly deferred: boolean;

  constructor(
    outcome: 'refused' | 'timeout',
    message: string,
    options: { hint?: string; passing?: boolean; deferred?: boolean; cause?: unknown } = {},
  ) {
    // it may quote what the agent answered
    super(clean(message, MOST_MESSAGE), options.cause === undefined ? undefined : { cause: options.cause });
    this.outcome = outcome;
    this.hint = options.hint;
    this.passing = options.passing ?? false;
    this.deferred = options.deferred ?? false;
  }

  /** For who asked for it from outside. */
  asUnavailable(): SpillwayError {
    const { message, hint } = this;
    return new SpillwayError('unavailable', message, {
      cause: this,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** What a process that has ended, or whose pid is another's by now, is refused with. */
export function goneError(pid: number, cause?: unknown): RuntimeClientError {
  return new RuntimeClientError('refused', `process ${pid} has ended`, { cause });
}

/**
 * The guardian's hand in one life of the agent's runtime. Opens what it needs at the first call that needs it, stays
 * open until `release`. One call at a time: a second waits for the first. Every call ends within its time limit.
 */
export interface RuntimeClient {
  readonly runtime: Runtime;
  /** How it gets in, in words: `open inspector on 127.0.0.1:9229`, `SIGUSR1`, `attach protocol`, `pprof at :6060`. */
  readonly means: string;
  /**
   * What the heap looks like now: 1–4 ms for Node. `null` where the runtime does not tell.
   * @throws ReachError
   */
  facts(): Promise<HeapFacts | null>;
  /** @throws ReachError */
  collect(way: GcWay): Promise<Collection>;
  /**
   * Starts sampling, at a cost below 2 % of throughput; no-op when it runs or where the runtime keeps its own census.
   * Absent where the runtime has nothing of the kind.
   * @throws ReachError
   */
  startProfile?(): Promise<void>;
  /**
   * Top sites and their growth since the first call. It collects first, so it stalls as a collection does.
   * @throws ReachError
   */
  profile?(): Promise<Profile>;
  /**
   * Streams a heap snapshot; `write` resolves when more may come. Whether there is room is the caller's to know.
   * @throws ReachError
   */
  snapshot?(write: (chunk: string) => Promise<void>): Promise<void>;
  /** Requests being answered right now, as the runtime knows them; `null` when it cannot tell. */
  inFlight?(): Promise<number | null>;
  /** Whether the program handles SIGTERM itself, where `SigCgt` does not tell. @throws ReachError */
  catchesSigterm?(): Promise<boolean>;
  /** It is open because the guardian opened it: `release` closes it again. */
  readonly opened?: boolean;
  /** Where the runtime listens for us while it is in use: connections to it are no work. */
  readonly inspectorPort?: number | null;
  /** What to change where a collection freed heap and gave no pages back; `null` where nothing is known. */
  returnHint?(): string | null;
  /** Leaves the agent as it was found; never throws, at most two seconds. May be called again, and be used again after. */
  release(): Promise<void>;
}
