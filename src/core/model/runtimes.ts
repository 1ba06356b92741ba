import type { GcWay } from './heap.ts';
import type { Runtime } from './status.ts';

/** What holds for every agent of a runtime. */
export interface RuntimeFacts {
  /** Its name, for people. */
  label: string;
  /** Whether it has a fast collection, of young objects or without compaction, beside the full one. */
  fastGc: boolean;
  /** How long pages take to come back to the system after a collection, in milliseconds; measured on 2.5 GB/s machines. */
  returnDelayMs: Readonly<Record<GcWay, number>>;
  /** Why collected memory stays with the agent, where it is the runtime that keeps it. */
  keeps(way: GcWay): { why: string; hint: string | null };
  /** Whether it ends its process at a heap limit of its own, which is visible from outside. */
  abortsAtHeapLimit: boolean;
  /**
   * How a handler of SIGTERM is proven: `asked`, since the runtime catches the signal in every program; `SigCgt`, the bit that it sets
   * for the program alone, or for a handler of its own that ends the program gracefully; `none`: not at all.
   */
  sigterm: 'asked' | 'SigCgt' | 'none';
  /** What growth is named by; empty where it is not named. */
  namedBy: string;
}

const FRAGMENTED = {
  why: 'the heap is fragmented; free chunks are reused before the heap grows',
  hint: null,
};
const SLOW_RETURN = { fast: 3500, full: 3500 };

/** The runtimes, by name. */
export const RUNTIMES: Readonly<Record<Runtime, RuntimeFacts>> = {
  node: {
    label: 'Node.js',
    fastGc: true,
    returnDelayMs: { fast: 1000, full: 250 },
    // after a fast collection V8 returns pages later: within 1 s on Node 20, 5–10 s on Node 24
    keeps: (way) =>
      way === 'fast'
        ? {
            why: 'V8 returns the pages within about 10 s, and reuses them before it allocates more',
            hint: null,
          }
        : FRAGMENTED,
    abortsAtHeapLimit: true,
    sigterm: 'asked',
    namedBy: 'function, file and line, by sampling its allocations',
  },
  python: {
    label: 'Python',
    fastGc: false,
    returnDelayMs: SLOW_RETURN,
    keeps: () => FRAGMENTED,
    abortsAtHeapLimit: false,
    sigterm: 'SigCgt',
    namedBy: 'types, and lines where tracemalloc runs',
  },
  jvm: {
    label: 'JVM',
    fastGc: false,
    returnDelayMs: SLOW_RETURN,
    keeps: () => ({ why: 'this JVM collector keeps its heap committed', hint: 'run it with -XX:+UseG1GC' }),
    abortsAtHeapLimit: false,
    // shutdown hooks; `-Xrs` leaves the bit out
    sigterm: 'SigCgt',
    namedBy: 'classes, by a heap histogram',
  },
  go: {
    label: 'Go',
    fastGc: false,
    returnDelayMs: SLOW_RETURN,
    keeps: () => ({ why: 'Go returns pages gradually', hint: null }),
    abortsAtHeapLimit: false,
    // it catches every signal in every program
    sigterm: 'none',
    namedBy: 'function, file and line, by its heap profile',
  },
  other: {
    label: 'other',
    fastGc: false,
    returnDelayMs: SLOW_RETURN,
    keeps: () => FRAGMENTED,
    abortsAtHeapLimit: false,
    sigterm: 'none',
    namedBy: '',
  },
};
