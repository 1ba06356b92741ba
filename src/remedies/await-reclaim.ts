import { freedHeapBytes } from '../core/gc/verdict.ts';
import type { Collection } from '../core/model/heap.ts';
import { RUNTIMES } from '../core/model/runtimes.ts';
import type { Runtime } from '../core/model/status.ts';
import type { Clock } from '../core/ports/ports.ts';
import { POLL_MS } from './poll-interval.ts';
import type { SessionContext } from './session-context.ts';
import { sleep } from './waiting.ts';

const STEP_MS = 25;
const ENOUGH_SHARE = 0.8;
/** So little is not waited for. */
const NOISE_BYTES = 2 ** 20;
/** Of the limit. */
const RISES_AGAIN_SHARE = 0.02;

/** Memory of the agent as seen from outside, in bytes. */
export interface Use {
  held: number;
  /** `null` where it is not visible. */
  rss: number | null;
}

/**
 * The lowest use seen after a collection: pages come back a while after it.
 * @param before use just before the collection
 * @param meanwhile done as often as the runtime is asked while shedding
 */
export async function awaitReclaim(
  present: SessionContext,
  clock: Clock,
  { runtime, run, before }: { runtime: Runtime; run: Collection; before: Use },
  meanwhile: () => Promise<void>,
): Promise<Use> {
  const waitMs = RUNTIMES[runtime].returnDelayMs[run.way];
  const enough = ENOUGH_SHARE * (freedHeapBytes(run) ?? Number.POSITIVE_INFINITY) - NOISE_BYTES;
  // an agent that has begun to fill the gap tells no more about it, and may need the next collection
  const rise = RISES_AGAIN_SHARE * present.situation.reading.limitBytes;
  const low = { ...before };
  for (let waited = 0; waited <= waitMs && !present.ended; waited += STEP_MS) {
    const heldNow = present.held();
    low.held = Math.min(low.held, heldNow);
    const rssNow = present.agent.rssBytes();
    if (low.rss !== null && rssNow !== null) low.rss = Math.min(low.rss, rssNow);
    if (before.held - low.held >= enough || heldNow > low.held + rise) break;
    if (waited % POLL_MS.shedding === 0) await meanwhile();
    await sleep(clock, STEP_MS);
  }
  return low;
}
