import { type GcWay, type HeapFacts, ReachError } from '../../core/reach.ts';
import type { Isolate } from './evaluator.ts';
import { FACTS, type IsolateFacts, QUICK_GC, type QuickResult, TURN } from './scripts.ts';
import type { NodeTimeouts } from './target.ts';

/** What a collection did to one isolate. */
export interface IsolateCollection extends QuickResult {
  stallMs: number;
}

/**
 * Makes sure that the event loop turns: what is asked of a blocked or paused one would be done later, when nobody wants it.
 * @throws ReachError `timeout`
 */
export async function awaitTurn(isolate: Isolate, timeouts: NodeTimeouts): Promise<void> {
  try {
    await isolate.evaluate<true>(TURN, timeouts.turnMs, true);
  } catch (cause) {
    if (!(cause instanceof ReachError && cause.outcome === 'timeout')) throw cause;
    throw new ReachError('timeout', `the event loop did not turn within ${timeouts.turnMs} ms`, {
      passing: true,
      cause,
    });
  }
}

/**
 * Collects in one isolate.
 * @throws ReachError
 */
export async function collectIn(
  isolate: Isolate,
  way: GcWay,
  timeouts: NodeTimeouts,
): Promise<IsolateCollection> {
  await awaitTurn(isolate, timeouts);
  if (way === 'quick') {
    const result = await isolate.evaluate<QuickResult>(QUICK_GC, timeouts.collectMs);
    return { ...result, stallMs: result.after.atMs - result.before.atMs };
  }
  const before = await isolate.evaluate<IsolateFacts>(FACTS, timeouts.answerMs);
  const startMs = performance.now();
  await isolate.session.send('HeapProfiler.collectGarbage', {}, timeouts.collectMs);
  const stallMs = performance.now() - startMs;
  return { before, after: await isolate.evaluate<IsolateFacts>(FACTS, timeouts.answerMs), stallMs };
}

/** What all isolates hold together; V8's limit is that of the main one. */
export function heapFacts(main: IsolateFacts, workers: readonly IsolateFacts[]): HeapFacts {
  const sum = (of: (facts: IsolateFacts) => number) =>
    [main, ...workers].reduce((total, f) => total + of(f), 0);
  return {
    usedBytes: sum((facts) => facts.used),
    committedBytes: sum((facts) => facts.committed),
    limitBytes: main.limit,
    limitedBytes: main.used,
    externalBytes: sum((facts) => facts.external),
  };
}
