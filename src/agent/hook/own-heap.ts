import type * as Os from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { oldGeneration } from '../../core/gc/heap-limit.ts';
import type { HeapSize } from '../../core/model/hook-messages.ts';
import { builtin } from './quiet.ts';

let toldBytes: number | undefined;
let limitBytes = 0;

/** The heap of this process, against the limit at which V8 aborts it. Takes a few microseconds. */
export function ownHeap(): HeapSize {
  const { used_heap_size: usedBytes, heap_size_limit: told } = getHeapStatistics();
  if (told !== toldBytes) {
    toldBytes = told;
    limitBytes = oldGeneration(told, process.execArgv, process.env['NODE_OPTIONS'] ?? '', memoryBytes());
  }
  return { usedBytes, limitBytes };
}

function memoryBytes(): number {
  const machineBytes = builtin<typeof Os>('node:os').totalmem();
  return Math.min(machineBytes, process.constrainedMemory() || machineBytes);
}
