import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { heapLimit, oldGeneration } from '../../core/gc/heap-limit.ts';
import type { HeapSize } from '../../core/model/hook-messages.ts';

let toldBytes: number | undefined;
let limitBytes = 0;

/** The heap of this process, against the limit at which V8 aborts it. Takes a few microseconds. */
export function ownHeap(): HeapSize {
  const { used_heap_size: usedBytes, heap_size_limit: told } = getHeapStatistics();
  if (told !== toldBytes) {
    const memoryBytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
    const { bytes } = heapLimit(process.execArgv, process.env['NODE_OPTIONS'] ?? '', memoryBytes);
    limitBytes = oldGeneration(told, bytes);
    toldBytes = told;
  }
  return { usedBytes, limitBytes };
}
