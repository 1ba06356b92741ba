/** A request before the gate. Where it has to wait, one of the two is called, once. */
export interface GateRequest {
  /** Requests of a kind cost alike: method and route. */
  kind: string;
  /** How many ordinary requests it counts for. Default 1. */
  weight?: number;
  /** Bytes that are held back while it waits. */
  heldBytes: number;
  /** How long it may wait, in milliseconds. Default 10,000. */
  maxWaitMs?: number | undefined;
  /**
   * The same above the critical ratio, with next to nothing in flight that could end: the next request may bring the kill, which breaks
   * who waits, too. Default: as long as elsewhere.
   */
  criticalWaitMs?: number | undefined;
  /** The one in flight that it is part of: that one does not count meanwhile, and who comes from outside waits behind both. */
  within?: GateEntry | undefined;
  /** In flight for so long, it keeps nobody waiting any more, in milliseconds. Default 30,000. */
  lastingMs?: number | undefined;
  admit(): void;
  refuse(retryAfterSeconds: number): void;
}

/** One request that was admitted, waits, or was refused. */
export interface GateEntry {
  readonly state: 'running' | 'waiting' | 'refused' | 'left';
  /** Once refused: when to come again, in seconds. */
  readonly retryAfterSeconds: number;
}

/** The same as the gate sees it. */
export interface Entry extends GateEntry {
  state: GateEntry['state'];
  retryAfterSeconds: number;
  request: GateRequest;
  weight: number;
  bytes: number;
  /** When it came. */
  sinceMs: number;
  untilMs: number;
  criticalUntilMs: number;
  left: boolean;
  startMs: number;
  startBytes: number;
  peakBytes: number;
  startCount: number;
  /** Of those in flight when it started how many counted: who lasts makes next to no garbage. */
  besideCount: number;
  /** Started before it, of kinds of which too little was known. */
  unknownCount: number;
  /** By what those of the other kinds that started before it were expected to raise use, in bytes. */
  knownBytes: number;
  /** It has run for long enough to have shown what it holds. */
  shown: boolean;
  depth: number;
  within: Entry | undefined;
  /** Parts of it that are before the gate or behind it: they count in its place. */
  parts: number;
  lastingMs: number;
  /** It has run for so long that memory holds what it holds: it counts no more, for it may never end. */
  lasting: boolean;
  /** Whether it counts at this moment. */
  counts: boolean;
}

export const MAX_WAIT_MS = 10_000;
/** A stream of events, a hung request: memory holds what it holds by then. */
const LASTING_MS = 30_000;

export function entryOf(request: GateRequest, within: Entry | undefined, nowMs: number): Entry {
  const {
    weight = 1,
    heldBytes,
    maxWaitMs = MAX_WAIT_MS,
    criticalWaitMs = maxWaitMs,
    lastingMs = LASTING_MS,
  } = request;
  return {
    state: 'waiting',
    retryAfterSeconds: 0,
    request,
    weight,
    bytes: heldBytes,
    sinceMs: nowMs,
    untilMs: nowMs + maxWaitMs,
    criticalUntilMs: nowMs + Math.min(maxWaitMs, criticalWaitMs),
    left: false,
    startMs: 0,
    startBytes: 0,
    peakBytes: 0,
    startCount: 0,
    besideCount: 0,
    unknownCount: 0,
    knownBytes: 0,
    shown: false,
    depth: within ? within.depth + 1 : 0,
    within,
    parts: 0,
    lastingMs,
    lasting: false,
    counts: false,
  };
}
