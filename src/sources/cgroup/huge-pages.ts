import { readdirSync } from 'node:fs';
import { type Movement, nextMovement, rises, UNMOVED } from '../../core/lib/movement.ts';
import type { Limit, Usage } from '../../core/model/reading.ts';
import { KernelFile } from './kernel-file.ts';

/** A pool that rests for this long is taken to be as its program wants it. */
const RESTS_MS = 60_000;

/** One size of huge pages that is limited. */
export interface HugePool {
  /** The limit's file: `hugetlb.2MB.max`. */
  name: string;
  usage: Usage;
  limit: number;
  readUsed(): number;
}

/**
 * Huge pages of a v2 cgroup where they are limited: `memory.current` does not hold them, and a page fault above their limit
 * ends the program by SIGBUS.
 *
 * Programs that use them (a JVM, a database) mostly take all of them at their start and rest there for good, at 100 % and in
 * health: a pool counts while it was seen to grow within the last minute.
 */
export class HugePages {
  readonly #pools: (HugePool & { file: KernelFile; limitFile: KernelFile; movement: Movement })[] = [];

  /** Looks for the limits there are now. */
  constructor(directory: string) {
    try {
      for (const entry of readdirSync(directory)) {
        if (!/^hugetlb\.\w+\.max$/.test(entry)) continue;
        this.#add(directory, entry);
      }
    } catch {
      // a kernel without huge pages, or one that does not show them: there is nothing to count
    }
  }

  #add(directory: string, name: string): void {
    const limitFile = new KernelFile(`${directory}/${name}`);
    let file: KernelFile | undefined;
    try {
      const limit = limitFile.readLimit();
      if (limit !== 'unlimited' && limit > 0) {
        const opened = new KernelFile(`${directory}/${name.replace(/max$/, 'current')}`);
        file = opened;
        const usage = {
          usedBytes: 0,
          reclaimableBytes: 0,
          anonBytes: null,
          shmemBytes: null,
          kernelBytes: null,
        };
        const readUsed = () => opened.readNumber();
        const movement = { ...UNMOVED, value: readUsed() };
        this.#pools.push({ name, usage, limit, readUsed, file, limitFile, movement });
        return;
      }
    } catch (error) {
      file?.close();
      limitFile.close();
      throw error;
    }
    limitFile.close();
  }

  /** The pool nearest to its limit among those that grow. */
  read(nowMs: number): HugePool | undefined {
    let nearest: HugePool | undefined;
    for (const pool of this.#pools) {
      const { file, limitFile } = pool;
      const used = numberOf(() => file.readNumber());
      const limit = numberOf(() => limitFile.readLimit());
      pool.movement = nextMovement(pool.movement, used, 0, nowMs);
      if (limit <= 0 || !rises(pool.movement, nowMs, RESTS_MS)) continue;
      pool.limit = limit;
      pool.usage.usedBytes = used;
      if (!nearest || used / limit > nearest.usage.usedBytes / nearest.limit) nearest = pool;
    }
    return nearest;
  }

  close(): void {
    for (const { file, limitFile } of this.#pools) {
      file.close();
      limitFile.close();
    }
  }
}

/** 0 for a file that cannot be read: the group goes, or spoils it; its memory tells. */
function numberOf(read: () => Limit): number {
  try {
    const value = read();
    return value === 'unlimited' ? 0 : value;
  } catch {
    return 0;
  }
}
