/** What a cgroup may use of each period. */
export interface CpuQuota {
  cores: number;
  periodMs: number;
}

/**
 * `cpu.max` of cgroup v2, in microseconds; `null` without a quota.
 *
 *     150000 100000      max 100000
 */
export function parseCpuMax(text: string): CpuQuota | null {
  const [quota = '', period = ''] = text.trim().split(' ');
  return quotaOf(Number(quota), Number(period));
}

/** The same of v1, where `cpu.cfs_quota_us` is -1 without a quota. */
export function quotaOf(quotaUs: number, periodUs: number): CpuQuota | null {
  return quotaUs > 0 && periodUs > 0 ? { cores: quotaUs / periodUs, periodMs: periodUs / 1000 } : null;
}

/** How many CPUs `/proc/PID/status` lists as allowed, by cpuset and affinity: `0-3,8` are 5; `null` where it does not tell. */
export function allowedCpus(status: string): number | null {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  if (list === undefined) return null;
  let count = 0;
  for (const range of list.split(',')) {
    const [first, last = first] = range.split('-').map(Number);
    count += (last ?? Number.NaN) - (first ?? Number.NaN) + 1;
  }
  return count > 0 ? count : null;
}
