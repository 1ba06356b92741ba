import { swapFreeBytes } from '../../core/proc/proc-text.ts';
import { readProc } from '../proc-fs.ts';

/**
 * Swap of the machine that is free, in bytes: 0 where there is none, where it is not told, and where the kernel is set never
 * to swap (`vm.swappiness` 0 holds for cgroups, too). 5 µs without swap.
 */
export function freeSwapBytes(procRoot: string): number {
  const swaps = readProc(`${procRoot}/swaps`);
  const free = swaps.kind === 'value' ? swapFreeBytes(swaps.value) : 0;
  if (free === 0) return 0;
  const swappiness = readProc(`${procRoot}/sys/vm/swappiness`);
  return swappiness.kind === 'value' && swappiness.value.trim() === '0' ? 0 : free;
}
