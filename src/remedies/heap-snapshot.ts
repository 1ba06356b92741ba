import type { GcPlan } from '../core/gc/plan.ts';
import { snapshotRoom } from '../core/gc/snapshot-room.ts';
import { SpillwayError } from '../core/lib/errors.ts';
import { unreclaimableBytes } from '../core/model/reading.ts';
import type { RuntimeConnection } from './runtime-connection.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';

/** Where a snapshot goes. */
export interface SnapshotFile {
  /** Whether there is room for that of a heap of this size: `ok`, or in words why not. */
  room(heapUsedBytes: number): Promise<'ok' | string>;
  write(chunk: string): Promise<void>;
}

/**
 * Streams a heap snapshot, where there is room for it.
 * @throws SpillwayError
 * @throws SpillwayError `unavailable`
 */
export async function takeSnapshot(
  present: SessionContext,
  hand: RuntimeConnection,
  plan: GcPlan,
  { clock, stalled }: SessionDeps,
  { room: onDisk, write }: SnapshotFile,
): Promise<void> {
  const client = await hand.open();
  if (!client.snapshot)
    throw new SpillwayError('unavailable', `no heap snapshots of ${client.runtime} agents`);
  const heap = await client.facts();
  const reading = present.latest?.reading;
  if (!heap || !reading) throw new SpillwayError('unavailable', 'the size of the heap is unknown');
  const room = snapshotRoom({
    heapUsedBytes: heap.usedBytes,
    limitBytes: reading.limitBytes,
    heldBytes: unreclaimableBytes(reading),
  });
  if (room !== 'ok') throw new SpillwayError('unavailable', room);
  const disk = await onDisk(heap.usedBytes);
  if (disk !== 'ok') throw new SpillwayError('unavailable', disk);
  present.check();
  const startMs = clock.now();
  try {
    await hand.occupy(client.snapshot(write));
  } finally {
    // V8 stops the agent for nearly all of it
    const endedMs = clock.now();
    stalled(endedMs - startMs);
    plan.stalled(endedMs - startMs, endedMs);
  }
}
