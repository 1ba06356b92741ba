import { type Backoff, waitAfter } from '../lib/backoff.ts';
import { type Movement, nextMovement, rises, UNMOVED } from '../lib/movement.ts';
import { formatBytes } from '../lib/units.ts';
import type { HeapFacts } from '../model/heap.ts';
import type { Advised } from '../model/notice.ts';
import { isForeseen } from '../pressure/access.ts';
import type { Thresholds } from '../pressure/level.ts';

const MIB = 2 ** 20;

/** By so much of the heap's limit the bound has to have grown since the last question. */
const GROWN_SHARE = 0.1;
/** A rise or fall of less, of the heap's limit, is noise. */
const NOISE_SHARE = 0.005;
/** A burst that has come to rest is none to ask about: the bound has to be near for so long, with a new high as lately. */
const GROWS_MS = 500;
/** … or for this share of the time to the limit, where that is short. */
const STANDS_SHARE = 0.25;
/** After an answer that the heap is far from its limit: 10, 20, 40 … 300 s until the next question below the old high. */
const FAR_MS: Backoff = { first: 10_000, longest: 300_000 };

/** Heap of the isolate with the limit, as the agent told it, and the agent's anonymous memory at that time; bytes. */
export interface HeapSample {
  usedBytes: number;
  anonBytes: number;
}

/** What is remembered of the bound from one reading to the next. Bytes of anonymous memory; monotonic milliseconds. */
export interface HeapBound {
  /** The last question's, or the lowest since: from there growth counts. */
  readonly fromBytes: number;
  /** The last question's. */
  readonly askedBytes: number;
  readonly movement: Movement;
  /** Since when the bound is near; `null` while it is not. */
  readonly nearSinceMs: number | null;
  /** Until then only a new high is worth a question. */
  readonly restUntilMs: number;
  /** Answers in a row that it is far from its limit. */
  readonly farInRow: number;
}

export const UNBOUND: HeapBound = {
  fromBytes: Number.POSITIVE_INFINITY,
  askedBytes: 0,
  movement: UNMOVED,
  nearSinceMs: null,
  restUntilMs: Number.NEGATIVE_INFINITY,
  farInRow: 0,
};

export interface HeapBoundInput {
  nowMs: number;
  /** Anonymous memory now, which bounds the heap from above; resident memory where that is not known. */
  anonBytes: number;
  /** As the agent told it, else as guessed from outside. */
  heapLimitBytes: number;
  /** What it told last. */
  look: HeapSample | null;
  growthBytesPerSecond: number | null;
  thresholds: Pick<Thresholds, 'warnRatio' | 'shedRatio'>;
}

/**
 * Whether the heap may be so near its own limit that the agent is asked, judged from outside: the most that the heap can be
 * has reached the shed ratio of that limit, or will reach the limit within seconds; and only while it grows, not again before
 * it has grown by a tenth of the limit.
 */
export function followHeapBound(state: HeapBound, input: HeapBoundInput): { state: HeapBound; ask: boolean } {
  const { nowMs, anonBytes, heapLimitBytes, look } = input;
  const movement = nextMovement(state.movement, anonBytes, NOISE_SHARE * heapLimitBytes, nowMs);
  const fromBytes = Math.min(state.fromBytes, anonBytes);
  const most = look
    ? Math.min(anonBytes, look.usedBytes + Math.max(0, anonBytes - look.anonBytes))
    : anonBytes;
  const seconds = secondsTo(most, input);
  const nearSinceMs = isNear(most, input) ? (state.nearSinceMs ?? nowMs) : null;
  const standsMs = Math.min(GROWS_MS, STANDS_SHARE * 1000 * (seconds ?? Number.POSITIVE_INFINITY));
  const grownBytes = GROWN_SHARE * heapLimitBytes;
  const ask =
    heapLimitBytes > 0 &&
    nearSinceMs !== null &&
    nowMs - nearSinceMs >= standsMs &&
    rises(movement, nowMs, GROWS_MS) &&
    anonBytes - fromBytes >= grownBytes &&
    (nowMs >= state.restUntilMs || anonBytes - state.askedBytes >= grownBytes);
  return { state: { ...state, fromBytes, movement, nearSinceMs }, ask };
}

/** Whether a heap of at most so much has come to the shed ratio of its limit, or will reach the limit within seconds. */
export function isNear(mostBytes: number, input: HeapBoundInput): boolean {
  const { heapLimitBytes, thresholds } = input;
  return (
    mostBytes >= thresholds.shedRatio * heapLimitBytes ||
    (mostBytes >= thresholds.warnRatio * heapLimitBytes && isForeseen(secondsTo(mostBytes, input)))
  );
}

function secondsTo(
  mostBytes: number,
  { heapLimitBytes, growthBytesPerSecond }: HeapBoundInput,
): number | null {
  const growth = growthBytesPerSecond ?? 0;
  return growth > 0 ? (heapLimitBytes - mostBytes) / growth : null;
}

/** It was asked; `usedBytes` is what it told, `null` where it told nothing. */
export function askedHeap(
  state: HeapBound,
  { nowMs, anonBytes, heapLimitBytes, thresholds }: Omit<HeapBoundInput, 'look' | 'growthBytesPerSecond'>,
  usedBytes: number | null,
): HeapBound {
  const far = usedBytes === null || usedBytes < thresholds.warnRatio * heapLimitBytes;
  const farInRow = far ? state.farInRow + 1 : 0;
  const restUntilMs = far ? nowMs + waitAfter(FAR_MS, farInRow) : Number.NEGATIVE_INFINITY;
  return { ...state, fromBytes: anonBytes, askedBytes: anonBytes, restUntilMs, farInRow };
}

/** Which limit is nearer: the container's, or that at which the runtime itself gives up. */
export function nearerLimit(
  heap: Pick<HeapFacts, 'limitedBytes' | 'limitBytes'> | null,
  heldBytes: number,
  containerLimitBytes: number,
): 'container' | 'heap' {
  if (!heap?.limitBytes) return 'container';
  return heap.limitedBytes / heap.limitBytes > heldBytes / containerLimitBytes ? 'heap' : 'container';
}

/** Share of a machine's memory for the heap by Node's own documentation (1536 MiB of 2 GiB). */
const HEAP_SHARE = 0.75;
/** What the number leaves free at least, for code, stacks and Buffers of a Node process. */
const REST_BYTES = 48 * MIB;
/** A heap limit that leaves this much (the larger of the two) is not complained of. */
const LEAST_REST = { bytes: 32 * MIB, share: 0.08 };
/** Node needs about this much to do anything. */
const SMALLEST_HEAP_BYTES = 32 * MIB;
/** To lower the limit by less changes nothing: what V8 tells is above what was set, by 3 to 6 MiB in small containers. */
const SAME_BYTES = 16 * MIB;

/**
 * What to set where the heap may grow beyond what the container can give: V8 collects aggressively only near its own limit, so
 * the kernel kills an agent that is full of garbage. `null` where the limit fits.
 * @param explicit the heap limit was set by `--max-old-space-size`
 */
export function heapAdvice({
  heapLimitBytes,
  containerLimitBytes,
  explicit,
}: {
  heapLimitBytes: number;
  containerLimitBytes: number;
  explicit: boolean;
}): Advised | null {
  const restBytes = Math.max(LEAST_REST.bytes, LEAST_REST.share * containerLimitBytes);
  const setBytes = Math.max(
    SMALLEST_HEAP_BYTES,
    Math.min(HEAP_SHARE * containerLimitBytes, containerLimitBytes - REST_BYTES),
  );
  if (heapLimitBytes <= containerLimitBytes - restBytes || heapLimitBytes - setBytes < SAME_BYTES)
    return null;
  const setMebibytes = Math.floor(setBytes / MIB);
  const origin = explicit ? '' : ' by default';
  return {
    code: 'heap_limit_too_high',
    message: `V8's heap limit is ${formatBytes(heapLimitBytes)}${origin}, too large for the container's ${formatBytes(containerLimitBytes)}: the kernel kills the agent before V8 collects aggressively`,
    hint: `set --max-old-space-size=${setMebibytes} on the command line or in NODE_OPTIONS`,
  };
}
