import type { SpillwayError } from '../lib/errors.ts';
import { formatBytes, formatSeconds } from '../lib/units.ts';
import type { GcVerdict } from '../model/gc-record.ts';
import type { Collection, HeapFacts } from '../model/heap.ts';
import { RUNTIMES } from '../model/runtimes.ts';
import type { Runtime } from '../model/status.ts';

/** A collection that returned less than this share of usage was not worth it (OpenTelemetry's rule). */
export const WORTHWHILE_SHARE = 0.05;
/** Less than this off the heap is noise. */
const NOISE_BYTES = 8 * 2 ** 20;

/** One collection with what it changed as seen from outside; bytes. Negative where use rose all the same. */
export interface GcFacts extends Collection {
  runtime: Runtime;
  /** Held by the agent just before. */
  usedBytesBefore: number;
  freedCgroupBytes: number;
  /** `null` where it is not visible. */
  freedRssBytes: number | null;
}

/** The result of a collection, in words. */
export interface GcOutcome {
  verdict: GcVerdict;
  note: string;
  /** What would improve the result; `null` where nothing is known to. */
  hint: string | null;
}

/** Returned to the system: what left the cgroup or, where that is more, the resident memory. Never negative. */
export function freedBytes({
  freedCgroupBytes,
  freedRssBytes,
}: Pick<GcFacts, 'freedCgroupBytes' | 'freedRssBytes'>): number {
  return Math.max(0, freedCgroupBytes, freedRssBytes ?? 0);
}

/** What the heap and what its objects hold outside shrank by; `null` where the runtime does not report it. */
export function freedHeapBytes({ before, after }: Pick<Collection, 'before' | 'after'>): number | null {
  if (!before || !after) return null;
  return Math.max(0, held(before) - held(after));
}

/** Judges a collection by the memory returned to the system, not by what the heap says alone. */
export function gcVerdict(facts: GcFacts): GcOutcome {
  const freed = freedBytes(facts);
  const collected = freedHeapBytes(facts) ?? 0;
  const pause = `in a pause of ${formatSeconds(facts.stallMs / 1000)} (${facts.way}${withWorkers(facts.workers)})`;
  const much =
    collected >= NOISE_BYTES && collected >= WORTHWHILE_SHARE * (facts.before ? held(facts.before) : 0);
  if (freed >= WORTHWHILE_SHARE * facts.usedBytesBefore || (much && freed >= collected / 2))
    return {
      verdict: 'freed',
      note: `${formatBytes(freed)} of ${formatBytes(facts.usedBytesBefore)} returned ${pause}`,
      hint: null,
    };
  if (!much)
    return {
      verdict: 'nothing_freed',
      note: `${formatBytes(freed)} of ${formatBytes(facts.usedBytesBefore)} returned ${pause}: the rest is live`,
      hint: null,
    };
  const { why, hint } = keptBy(facts);
  return {
    verdict: 'not_returned',
    note: `${formatBytes(collected)} collected, ${formatBytes(freed)} returned ${pause}: ${why}`,
    hint,
  };
}

/** The same for a collection that did not happen. */
export function gcFailure({ code, message, hint }: SpillwayError): GcOutcome {
  return { verdict: code === 'timeout' ? 'timeout' : 'refused', note: message, hint: hint ?? null };
}

/** Who keeps the collected memory, and how to have it returned. */
function keptBy({ runtime, way, before, after }: GcFacts): { why: string; hint: string | null } {
  const outside = (before?.externalBytes ?? 0) - (after?.externalBytes ?? 0);
  const inside = (before?.usedBytes ?? 0) - (after?.usedBytes ?? 0);
  if (outside > inside)
    return {
      why: 'the C library keeps freed memory from outside the heap (Buffers)',
      hint: 'set MALLOC_MMAP_THRESHOLD_=65536 in the environment of the agent (glibc), with many threads also MALLOC_ARENA_MAX=2, or run it with jemalloc',
    };
  return RUNTIMES[runtime].keeps(way);
}

function held(heap: HeapFacts): number {
  return heap.usedBytes + (heap.externalBytes ?? 0);
}

function withWorkers(workers: number): string {
  if (workers === 0) return '';
  return workers === 1 ? ', with 1 worker' : `, with ${workers} workers`;
}
