import type { Collection, GcWay, HeapFacts } from '../model/heap.ts';
import type { Level, Runtime } from '../model/status.ts';

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
  /** Somebody asks for it: it is made as soon as it can be made. */
  forced?: boolean;
}

/** Collect, how and why; or why not, and until when at least where that is known. Milliseconds. */
export type GcDecision =
  | { collect: GcWay; reason: string; expectedStallMs: number }
  | { wait: string; untilMs?: number };

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
