import type { HeapFacts } from './reach.ts';
import { formatBytes } from './units.ts';

const MIB = 2 ** 20;

/** Anonymous memory bounds the heap from above: below this share of the heap's limit there is nothing to ask. */
const ASK_FROM = 0.6;
/** From here on it is asked as often as it ever is. */
const NEAR_FROM = 0.85;
/** One question costs the agent 1–4 ms. */
const ASK_MS = { far: 1000, near: 100 };

/** Heap of the isolate with the limit, as the agent told it, and the agent's anonymous memory at that time; bytes. */
export interface HeapLook {
  usedBytes: number;
  anonBytes: number;
}

/**
 * How often the agent is to be asked for its heap, in milliseconds; `null` while the heap cannot be near its limit.
 * @param anonBytes anonymous memory now; resident memory where that is not known
 * @param heapLimitBytes as the agent told it, else as guessed from outside
 * @param look what it told last
 */
export function askHeapEveryMs(
  anonBytes: number,
  heapLimitBytes: number,
  look: HeapLook | null,
): number | null {
  if (!(heapLimitBytes > 0) || anonBytes < ASK_FROM * heapLimitBytes) return null;
  const mostBytes = look
    ? Math.min(anonBytes, look.usedBytes + Math.max(0, anonBytes - look.anonBytes))
    : anonBytes;
  const nearness = (mostBytes / heapLimitBytes - ASK_FROM) / (NEAR_FROM - ASK_FROM);
  return Math.round(ASK_MS.far - (ASK_MS.far - ASK_MS.near) * Math.min(1, Math.max(0, nearness)));
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
 * What to set where the heap may grow beyond what the container can give: V8 collects hard only near its own limit, so
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
}): { message: string; setMebibytes: number } | null {
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
    message: `V8's heap may grow to ${formatBytes(heapLimitBytes)}${origin}, which the container's ${formatBytes(containerLimitBytes)} cannot hold, so the kernel kills it before V8 collects hard; set --max-old-space-size=${setMebibytes} on the command line or in NODE_OPTIONS`,
    setMebibytes,
  };
}
