/** How fast an agent's memory can grow, by what processors and memory can do. */
export interface FastestGrowth {
  /** Fresh memory that one core makes: the kernel zeroes each page before the program gets it. */
  bytesPerSecond: number;
  /** Cores that it can use at one moment. */
  cores: number;
  /** What it may use of each period, in cores: less than `cores` where a quota is set. */
  quotaCores: number;
  /** Milliseconds. */
  periodMs: number;
}

/**
 * The fastest a core was seen to grow: plain stores, flat out, on 2 shared cores. Node buffers reach 2.4 GB/s, JavaScript
 * objects 1.9, `JSON.parse` 1.8. A machine that zeroes faster says so itself.
 */
export const SEEN_BYTES_PER_SECOND = 2.6e9;
/** Processes that grow at once, flat out: what bursts are measured with. More of them wait for each other's locks in one cgroup. */
export const MOST_CORES = 4;

/** What holds where nothing is known of the agent's processors. */
export const ONE_CORE: FastestGrowth = {
  bytesPerSecond: SEEN_BYTES_PER_SECOND,
  cores: 1,
  quotaCores: 1,
  periodMs: 0,
};

/**
 * The least time in which so much can be added, in milliseconds. Of a quota, what is left of one period and all of the next can
 * go in one piece: it slows growth down only beyond that.
 */
export function soonestMs(
  bytes: number,
  { bytesPerSecond, cores, quotaCores, periodMs }: FastestGrowth,
): number {
  const coreMs = (bytes / bytesPerSecond) * 1000;
  return Math.max(coreMs / cores, coreMs / quotaCores - 2 * periodMs);
}
