import { expect, it } from 'vitest';
import { snapshotDiskRoom, snapshotRoom } from '../../../../src/core/gc/snapshot-room.ts';

const MB = 1e6;

it.each([
  [127, 513],
  [527, 2931],
  [1528, 8388],
])('a heap of %i MB finds no room where the measured peak of %i MB would be too much', (heap, peak) => {
  const memory = { heapUsedBytes: heap * MB, heldBytes: heap * MB };
  expect(snapshotRoom({ ...memory, limitBytes: peak * MB })).not.toBe('ok');
  expect(snapshotRoom({ ...memory, limitBytes: 2 * peak * MB })).toBe('ok');
});

it('no snapshot is taken where its file would leave the node short of disk', () => {
  const disk = { heapUsedBytes: 100 * MB, totalBytes: 1000 * MB };
  expect(snapshotDiskRoom({ ...disk, freeBytes: 401 * MB })).toBe('ok');
  expect(snapshotDiskRoom({ ...disk, freeBytes: 399 * MB })).not.toBe('ok');
  expect(snapshotDiskRoom({ ...disk, freeBytes: 0 })).not.toBe('ok');
});
