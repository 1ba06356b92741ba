import { formatBytes } from '../lib/units.ts';

/**
 * What taking a heap snapshot needs beside what is held already, per byte of heap in use: 3.0 was measured at 127 MB,
 * 4.6 at 527 MB and 4.5 at 1,528 MB (peaks of 513, 2,931 and 8,388 MB, Node 20), and a fifth on top.
 */
const EXTRA_PER_HEAP_BYTE = 5.5;
/** What must be left free at the peak: other work goes on allocating before the snapshot begins. */
const SPARE_SHARE = 0.1;

/**
 * Whether a heap snapshot can be taken without the agent being killed for it.
 * @returns `ok`, or in words why not
 */
export function snapshotRoom(memory: {
  heapUsedBytes: number;
  /** The container's limit, or the machine's memory. */
  limitBytes: number;
  /** Unreclaimable memory, of all that counts against the limit. */
  heldBytes: number;
}): 'ok' | string {
  const peakBytes = memory.heldBytes + EXTRA_PER_HEAP_BYTE * memory.heapUsedBytes;
  const roomBytes = (1 - SPARE_SHARE) * memory.limitBytes;
  if (peakBytes <= roomBytes) return 'ok';
  const limit = formatBytes(memory.limitBytes);
  return `a snapshot of a heap of ${formatBytes(memory.heapUsedBytes)} may take ${formatBytes(peakBytes)} in all; the limit is ${limit}`;
}

/** Of the file, per byte of heap in use: 0.9 to 2.4 was measured (large strings, small arrays; 60 to 180 MB, Node 20). */
const FILE_PER_HEAP_BYTE = 2.5;
/** What must be left free of the file system: the kubelet ends pods below 10 or 15 %, those first that have written most. */
const SPARE_DISK_SHARE = 0.15;

/**
 * Whether there is room for the file of a heap snapshot.
 * @returns `ok`, or in words why not
 */
export function snapshotDiskRoom(disk: {
  heapUsedBytes: number;
  freeBytes: number;
  totalBytes: number;
}): 'ok' | string {
  const fileBytes = FILE_PER_HEAP_BYTE * disk.heapUsedBytes;
  const roomBytes = Math.max(0, disk.freeBytes - SPARE_DISK_SHARE * disk.totalBytes);
  if (fileBytes <= roomBytes) return 'ok';
  return `the file of a snapshot may take ${formatBytes(fileBytes)}; record-dir has room for ${formatBytes(roomBytes)}`;
}
