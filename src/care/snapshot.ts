import { SpillwayError } from '../core/errors.ts';
import type { GcPlan } from '../core/gc-plan.ts';
import { heldBytes } from '../core/reading.ts';
import { snapshotRoom } from '../core/snapshot-room.ts';
import type { CareDeps } from './deps.ts';
import type { Hand } from './hand.ts';
import type { Present } from './present.ts';

/**
 * Streams a heap snapshot, where there is room for it.
 * @throws ReachError
 * @throws SpillwayError `unavailable`
 */
export async function takeSnapshot(
  present: Present,
  hand: Hand,
  plan: GcPlan,
  { clock, stalled }: CareDeps,
  write: (chunk: string) => Promise<void>,
): Promise<void> {
  const reach = await hand.open();
  if (!reach.snapshot) throw new SpillwayError('unavailable', `no heap snapshots of ${reach.runtime} agents`);
  const heap = await reach.facts();
  const reading = present.latest?.reading;
  if (!heap || !reading) throw new SpillwayError('unavailable', 'the size of the heap is not known');
  const room = snapshotRoom({
    heapUsedBytes: heap.usedBytes,
    limitBytes: reading.limitBytes,
    heldBytes: heldBytes(reading),
  });
  if (room !== 'ok') throw new SpillwayError('unavailable', room);
  present.check();
  const startMs = clock.now();
  try {
    await hand.occupy(reach.snapshot(write));
  } finally {
    // V8 stops the agent for nearly all of it
    const endedMs = clock.now();
    stalled(endedMs - startMs);
    plan.stalled(endedMs - startMs, endedMs);
  }
}
