import { type ErrorCode, SpillwayError } from '../lib/errors.ts';
import type { Collection, GcWay, HeapFacts, Profile } from '../model/heap.ts';
import type { Runtime } from '../model/status.ts';

const CODES: ReadonlySet<ErrorCode> = new Set(['refused', 'timeout', 'deferred']);

/** Whether the runtime could not be reached, or not in time. Nothing was changed in the agent. */
export function isRuntimeError(thrown: unknown): thrown is SpillwayError {
  return thrown instanceof SpillwayError && CODES.has(thrown.code);
}

/** Anything thrown by a call into the runtime, with a code of these. */
export function asRuntimeError(thrown: unknown): SpillwayError {
  return isRuntimeError(thrown) ? thrown : SpillwayError.from(thrown, 'refused');
}

/** What a process that has ended, or whose pid is another's by now, is refused with. */
export function goneError(pid: number, cause?: unknown): SpillwayError {
  return new SpillwayError('refused', `process ${pid} has ended`, { cause });
}

/**
 * The guardian's hand in one life of the agent's runtime. Opens what it needs at the first call that needs it, stays
 * open until `release`. One call at a time: a second waits for the first. Every call ends within its time limit.
 */
export interface RuntimeClient {
  readonly runtime: Runtime;
  /**
   * What the heap looks like now: 1–4 ms for Node. `null` where the runtime does not tell.
   * @throws SpillwayError `refused`, `timeout` or `deferred`
   */
  facts(): Promise<HeapFacts | null>;
  /** @throws SpillwayError */
  collect(way: GcWay): Promise<Collection>;
  /**
   * Starts sampling, at a cost below 2 % of throughput; no-op when it runs or where the runtime keeps its own census.
   * Absent where the runtime has nothing of the kind.
   * @throws SpillwayError
   */
  startProfile?(): Promise<void>;
  /**
   * Top sites and their growth since the first call. It collects first, so it stalls as a collection does.
   * @throws SpillwayError
   */
  profile?(): Promise<Profile>;
  /**
   * Streams a heap snapshot; `write` resolves when more may come. Whether there is room is the caller's to know.
   * @throws SpillwayError
   */
  snapshot?(write: (chunk: string) => Promise<void>): Promise<void>;
  /** Requests being answered right now, as the runtime knows them; `null` when it cannot tell. */
  inFlight?(): Promise<number | null>;
  /** Whether the program handles SIGTERM itself, where `SigCgt` does not tell. @throws SpillwayError */
  catchesSigterm?(): Promise<boolean>;
  /** By what it is connected now, where there is more than one. */
  readonly connection?: 'hook' | 'inspector' | 'none';
  /** It is open because the guardian opened it: `release` closes it again. */
  readonly opened?: boolean;
  /** Where the runtime listens for us while it is in use: connections to it are no work. */
  readonly inspectorPort?: number | null;
  /** What to change where a collection freed heap and returned no pages; `null` where nothing is known. */
  returnHint?(): string | null;
  /** Leaves the agent as it was found; never throws, at most two seconds. May be called again, and be used again after. */
  release(): Promise<void>;
}
