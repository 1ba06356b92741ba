import type { CgroupPlace } from './locate.ts';

/** What the two versions of cgroups call the same things. */
export interface Dialect {
  usage: string;
  limit: string;
  /** Above it the kernel does not kill, it throttles: the agent stalls. */
  high: string | undefined;
  /** Swap in use and its limit; on v1 both are those of memory and swap together. */
  swapUsage: string;
  swapLimit: string;
  swapHigh: string | undefined;
  swapIncludesMemory: boolean;
  /** 0 there keeps the kernel from swapping; on v2 only the machine has one. */
  swappiness: string | undefined;
  /** Where `oom_kill N` stands. */
  events: string;
  /** Kernel memory where `memory.stat` does not have it. */
  kernel: string | undefined;
  /** Keys of `memory.stat`, in the order of {@link STAT}. */
  stat: Buffer[];
}

/** Places in {@link Dialect.stat}. */
export const STAT = {
  anon: 0,
  shmem: 1,
  inactiveFile: 2,
  activeFile: 3,
  slabReclaimable: 4,
  kernel: 5,
  hierarchicalLimit: 6,
} as const;
const NO_KEY = '(unknown)';

export function keys(...names: string[]): Buffer[] {
  return names.map((name) => Buffer.from(name, 'latin1'));
}

export const DIALECTS: Readonly<Record<CgroupPlace['version'], Dialect>> = {
  // https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files; `kernel` since Linux 5.18
  v2: {
    usage: 'memory.current',
    limit: 'memory.max',
    high: 'memory.high',
    swapUsage: 'memory.swap.current',
    swapLimit: 'memory.swap.max',
    swapHigh: 'memory.swap.high',
    swapIncludesMemory: false,
    swappiness: undefined,
    events: 'memory.events',
    kernel: undefined,
    stat: keys('anon', 'shmem', 'inactive_file', 'active_file', 'slab_reclaimable', 'kernel', NO_KEY),
  },
  // https://docs.kernel.org/admin-guide/cgroup-v1/memory.html#stat-file; slab is not split there
  v1: {
    usage: 'memory.usage_in_bytes',
    limit: 'memory.limit_in_bytes',
    high: undefined,
    swapUsage: 'memory.memsw.usage_in_bytes',
    swapLimit: 'memory.memsw.limit_in_bytes',
    swapHigh: undefined,
    swapIncludesMemory: true,
    swappiness: 'memory.swappiness',
    events: 'memory.oom_control',
    kernel: 'memory.kmem.usage_in_bytes',
    stat: keys(
      'total_rss',
      'total_shmem',
      'total_inactive_file',
      'total_active_file',
      NO_KEY,
      NO_KEY,
      'hierarchical_memory_limit',
    ),
  },
};
