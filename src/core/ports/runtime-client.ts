import { clean } from '../lib/text.ts';
import type { Runtime } from '../model/status.ts';

/**
 * How to collect. `quick` stalls least and leaves pages to be returned later; `thorough` gives them back at once and
 * stalls three to four times as long (Node). A runtime that knows only one way takes both for that one.
 */
export type GcWay = 'quick' | 'thorough';

/** What a runtime says of its own heap at one moment, in bytes. `null` is "this runtime does not tell". */
export interface HeapFacts {
  /** Live objects and garbage not collected yet, all isolates (main and workers). */
  usedBytes: number;
  /** Memory the heap has taken from the system. */
  committedBytes: number;
  /** At which the runtime itself gives up; of the main isolate for Node. */
  limitBytes: number | null;
  /** What the limit is about: use of the main isolate. Equal to `usedBytes` where there are no workers. */
  limitedBytes: number;
  /** Held outside the heap by objects in it: Buffers, ArrayBuffers, WebAssembly memory. */
  externalBytes: number | null;
}

/** One collection, as seen from the runtime. */
export interface Collection {
  way: GcWay;
  before: HeapFacts | null;
  after: HeapFacts | null;
  /** How long the agent's main loop stood still for it, in milliseconds. */
  stallMs: number;
  /** Worker threads collected besides the main one. */
  workers: number;
}

/** Somewhere in the agent's program that allocates, or (JVM histogram) a class of which there is much. */
export interface Site {
  /** Function, `(anonymous)` where it has no name; for `kind: 'class'` the class. */
  name: string;
  kind: 'function' | 'class';
  /** As the source map gives it where there is one; `null` where nothing tells. */
  file: string | null;
  /** From 1. */
  line: number | null;
  /** npm package (or module path) that the file belongs to; `null` for the agent's own files. */
  package: string | null;
  /** Still held, allocated here since sampling began (or, for a class, in all). */
  bytes: number;
  /** More than at the baseline. */
  growthBytes: number;
}

/** What grew, as far as the runtime can tell. */
export interface Profile {
  /** Most growth first, at most 10. */
  sites: Site[];
  /** Sum over all sites, also those not listed. */
  sampledBytes: number;
  growthBytes: number;
  /** How long the sampling has run, in milliseconds; `null` where the profile is a census, not a sampling. */
  sampledMs: number | null;
  /** How long the agent's main loop stood still for reading the profile, in milliseconds. */
  stallMs: number;
  /** A file for the field's tools (`.heapprofile` for Chrome DevTools, `.pb.gz` for pprof): its ending and text or bytes. */
  file: { extension: string; content: string | Uint8Array } | null;
}

const MOST_MESSAGE = 500;

/** A way into the agent's runtime that did not open, or not in time. Nothing was changed in the agent. */
export class ReachError extends Error {
  override readonly name = 'ReachError';
  /** `refused`: it cannot be done here; `timeout`: the agent did not answer in time. */
  readonly outcome: 'refused' | 'timeout';
  readonly mend: string | undefined;
  /** Whether asking again soon may do: a start-up, a port in use for the moment. */
  readonly passing: boolean;
  /** There is a way in, by a signal, and it is kept for a more serious moment. */
  readonly deferred: boolean;

  constructor(
    outcome: 'refused' | 'timeout',
    message: string,
    options: { mend?: string; passing?: boolean; deferred?: boolean; cause?: unknown } = {},
  ) {
    // it may quote what the agent answered
    super(clean(message, MOST_MESSAGE), options.cause === undefined ? undefined : { cause: options.cause });
    this.outcome = outcome;
    this.mend = options.mend;
    this.passing = options.passing ?? false;
    this.deferred = options.deferred ?? false;
  }
}

/** What a process that has ended, or whose pid is another's by now, is refused with. */
export function goneError(pid: number, cause?: unknown): ReachError {
  return new ReachError('refused', `process ${pid} has ended`, { cause });
}

/**
 * The guardian's hand in one life of the agent's runtime. Opens what it needs at the first call that needs it, stays
 * open until `release`. One call at a time: a second waits for the first. Every call ends within its time limit.
 */
export interface Reach {
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
  returnMend?(): string | null;
  /** Leaves the agent as it was found; never throws, at most two seconds. May be called again, and be used again after. */
  release(): Promise<void>;
}
