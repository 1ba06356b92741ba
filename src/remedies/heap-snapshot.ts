import { snapshotRoom } from '../core/gc/snapshot-room.ts';
import { SpillwayError } from '../core/lib/errors.ts';
import { unreclaimableBytes } from '../core/model/reading.ts';
import type { SessionParts } from './session-parts.ts';

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
  {
    context,
    connection,
    plan,
    clock,
    stalled,
  }: Pick<SessionParts, 'context' | 'connection' | 'plan' | 'clock' | 'stalled'>,
  { room: onDisk, write }: SnapshotFile,
): Promise<void> {
  const client = await connection.open();
  if (!client.snapshot)
    throw new SpillwayError('unavailable', `no heap snapshots of ${client.runtime} agents`);
  const heap = await client.facts();
  const reading = context.latest?.reading;
  if (!heap || !reading) throw new SpillwayError('unavailable', 'the size of the heap is unknown');
  const room = snapshotRoom({
    heapUsedBytes: heap.usedBytes,
    limitBytes: reading.limitBytes,
    heldBytes: unreclaimableBytes(reading),
  });
  if (room !== 'ok') throw new SpillwayError('unavailable', room);
  const disk = await onDisk(heap.usedBytes);
  if (disk !== 'ok') throw new SpillwayError('unavailable', disk);
  context.check();
  const startMs = clock.now();
  try {
    await connection.occupy(client.snapshot(write));
  } finally {
    // V8 stops the agent for nearly all of it
    const endedMs = clock.now();
    stalled(endedMs - startMs);
    plan.stalled(endedMs - startMs, endedMs);
  }
}
