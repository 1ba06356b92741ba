import { SpillwayError } from '../../core/lib/errors.ts';
import type { GcWay, HeapFacts } from '../../core/model/heap.ts';
import { isRuntimeError } from '../../core/ports/runtime-client.ts';
import type { Isolate } from './evaluator.ts';
import { FACTS, FAST_GC, type FastResult, type IsolateFacts, TURN } from './scripts.ts';
import type { NodeTimeouts } from './signals.ts';

/** What a collection did to one isolate. */
export interface IsolateCollection extends FastResult {
  stallMs: number;
}

/**
 * Makes sure that the event loop turns: what is asked of a blocked or paused one would be done later, when nobody wants it.
 * @throws SpillwayError `timeout`
 */
export async function awaitTurn(isolate: Isolate, timeouts: NodeTimeouts): Promise<void> {
  try {
    await isolate.evaluate<true>(TURN, timeouts.turnMs, true);
  } catch (cause) {
    if (!(cause instanceof SpillwayError && cause.code === 'timeout')) throw cause;
    throw new SpillwayError('timeout', `the event loop was blocked for ${timeouts.turnMs} ms`, {
      retryable: true,
      cause,
    });
  }
}

/**
 * Collects in one isolate whose loop turns: `fast` by itself, `full` by the inspector.
 * @throws SpillwayError
 */
export async function collectIn(
  isolate: Isolate,
  way: GcWay,
  timeouts: NodeTimeouts,
): Promise<IsolateCollection> {
  if (way === 'fast') {
    const result = await isolate.evaluate<FastResult>(FAST_GC, timeouts.collectMs);
    return { ...result, stallMs: result.after.atMs - result.before.atMs };
  }
  let startMs = 0;
  const [before] = await Promise.all([
    isolate.evaluate<IsolateFacts>(FACTS, timeouts.answerMs).finally(() => {
      startMs = performance.now();
    }),
    isolate.session.send('HeapProfiler.collectGarbage', {}, timeouts.collectMs),
  ]);
  const stallMs = performance.now() - startMs;
  return { before, after: await isolate.evaluate<IsolateFacts>(FACTS, timeouts.answerMs), stallMs };
}

/**
 * Collects in worker threads, one after the other: the flag that a fast collection needs for a moment is one for the whole
 * process. A worker that computes or waits in `Atomics.wait` answers the fast way still; one that answers nothing, or ends
 * meanwhile, is left out.
 */
export async function collectInWorkers(
  workers: readonly Isolate[],
  way: GcWay,
  timeouts: NodeTimeouts,
): Promise<IsolateCollection[]> {
  const done: IsolateCollection[] = [];
  for (const worker of workers) {
    try {
      const turns = way === 'full' && (await doesTurn(worker));
      done.push(
        await collectIn(worker, turns ? 'full' : 'fast', { ...timeouts, collectMs: WORKER_MS.collect }),
      );
    } catch (error) {
      if (!isRuntimeError(error)) throw error;
    }
  }
  return done;
}

const WORKER_MS = { turn: 50, collect: 2000 };

function doesTurn(worker: Isolate): Promise<boolean> {
  return worker.evaluate<true>(TURN, WORKER_MS.turn, true).catch(() => false);
}

/** What all isolates hold together; V8's limit is that of the main one. */
export function heapFacts(main: IsolateFacts, workers: readonly IsolateFacts[]): HeapFacts {
  const sum = (of: (facts: IsolateFacts) => number) =>
    [main, ...workers].reduce((total, f) => total + of(f), 0);
  return {
    usedBytes: sum((facts) => facts.used),
    committedBytes: sum((facts) => facts.committed),
    limitBytes: main.limit,
    limitedBytes: main.old,
    externalBytes: sum((facts) => facts.external),
  };
}
