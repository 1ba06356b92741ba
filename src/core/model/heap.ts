/**
 * How to collect. `fast` stalls least and leaves pages to be returned later; `full` returns them at once and
 * stalls three to four times as long (Node). A runtime that knows only one way takes both for that one.
 */
export type GcWay = 'fast' | 'full';

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
  /** How long the agent's main loop was paused for it, in milliseconds. */
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
  /** How long the sampling has run, in milliseconds; `null` where the profile is a census, not a sampling. */
  sampledMs: number | null;
  /** How long the agent's main loop was paused for reading the profile, in milliseconds. */
  stallMs: number;
  /** A file for the field's tools (`.heapprofile` for Chrome DevTools, `.pb.gz` for pprof): its ending and text or bytes. */
  file: { extension: string; content: string | Uint8Array } | null;
}
