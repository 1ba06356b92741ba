import type { Reading } from '../../src/core/model/reading.ts';

export const MiB = 2 ** 20;

export function readingOf(heldMiB: number, limitMiB = 512, cacheMiB = 0): Reading {
  return {
    atMs: 0,
    usedBytes: (heldMiB + cacheMiB) * MiB,
    reclaimableBytes: cacheMiB * MiB,
    anonBytes: heldMiB * MiB,
    shmemBytes: 0,
    kernelBytes: 0,
    limitBytes: limitMiB * MiB,
    limitSource: 'cgroup-v2',
    usageSource: 'cgroup-v2',
    rssBytes: heldMiB * MiB,
    heap: null,
    others: [],
  };
}
