import type { Collection, GcWay, HeapFacts } from '../model/heap.ts';
import type { Level, Runtime } from '../model/status.ts';
import type { Awaited } from './left-by-work.ts';

/** How the agent stands. */
export interface GcInput {
  /** Monotonic milliseconds. */
  nowMs: number;
  level: Level;
  /** Of the nearer limit, container or heap. */
  ratio: number;
  /** Unreclaimable bytes. */
  heldBytes: number;
  /** Of the container. */
  limitBytes: number;
  secondsToLimit: number | null;
  /** As it is now; `null` is not asked, or not told. */
  heap: HeapFacts | null;
  /** Only Node has two ways; what a stop costs is another thing in each. */
  runtime: Runtime;
  /** The load that filled the memory is over: nothing is in flight. */
  loadGone: boolean;
  /** Much of the work has ended that the last collection found in use, and who waits for what that held. */
  outdated?: Awaited | null;
  /** Somebody asks for it: it is made as soon as it can be made. */
  forced?: boolean;
}

/** Why a collection is made. */
export type GcReason =
  | { code: 'request' }
  | { code: 'load_ended' } // and may have left garbage
  | { code: 'limit_foreseen'; secondsToLimit: number }
  | { code: 'usage'; ratio: number };

/** Why none is made. Milliseconds and bytes. */
export type GcWait =
  | { code: 'switched_off' }
  | { code: 'no_stall_budget' } // 0 %
  | { code: 'no_pressure' }
  | { code: 'backoff' } // the last attempt failed
  | { code: 'impossible' }
  | { code: 'just_ended' } // the last one
  | { code: 'freed_little'; garbageBytes: number } // the last one, and at most so much is new
  | { code: 'little_garbage'; garbageBytes: number } // at most so much is new
  | { code: 'stall_too_long'; stallMs: number; mostMs: number; level: Level }
  | { code: 'above_budget'; stallMs: number } // ever
  | { code: 'budget_spent'; stallMs: number }; // for now

/** Why not, and until when at least where that is known; monotonic milliseconds. */
export interface GcDeferral {
  wait: GcWait;
  untilMs?: number;
}

/** Collect, how and why; or why not. Milliseconds. */
export type GcDecision = { collect: GcWay; reason: GcReason; expectedStallMs: number } | GcDeferral;

/** A collection that was made. */
export interface GcRun extends Pick<Collection, 'way' | 'before' | 'after' | 'stallMs'> {
  /** Monotonic milliseconds. */
  endedMs: number;
  /** Returned to the system: the best of cgroup and resident memory. */
  freedBytes: number;
  /** Held, just before and once pages had time to come back. */
  usedBytesBefore: number;
  usedBytesAfter: number;
}
