import { availableParallelism } from 'node:os';
import {
  type FastestGrowth,
  MOST_CORES,
  ONE_CORE,
  SEEN_BYTES_PER_SECOND,
} from '../core/model/fastest-growth.ts';
import { allowedCpus, type CpuQuota, parseCpuMax, quotaOf } from '../core/proc/cpu-text.ts';
import { locateCgroup } from './cgroup/locate.ts';
import { readProc } from './proc-fs.ts';

/** Processors are given and taken by people. */
const REREAD_MS = 10_000;

export interface FastestGrowthOptions {
  procRoot: string;
  pid: number;
  /** CPUs of this machine. Default: those this process may use. */
  cpus?: number;
  /** Fresh memory that a core of this machine makes, in bytes per second. Default: measured. */
  measure?: () => number;
}

/**
 * How fast an agent can grow, by the processors that its affinity, cpuset and CPU quotas leave it. What cannot be read bounds
 * nothing.
 */
export function watchFastestGrowth(options: FastestGrowthOptions): (nowMs: number) => FastestGrowth {
  const { procRoot, pid, cpus = availableParallelism(), measure = zeroedPerSecond } = options;
  let latest = ONE_CORE;
  let readMs: number | undefined;
  return (nowMs) => {
    if (readMs !== undefined && nowMs - readMs < REREAD_MS) return latest;
    // not at the start, which must not wait: until then what others have seen counts
    const bytesPerSecond = readMs === undefined ? SEEN_BYTES_PER_SECOND : measure();
    readMs = nowMs;
    const cores = Math.min(MOST_CORES, allowed(procRoot, pid) ?? cpus);
    const quota = tightest(quotas(procRoot, pid));
    latest = {
      ...{ bytesPerSecond, cores },
      ...{ quotaCores: quota?.cores ?? cores, periodMs: quota?.periodMs ?? 0 },
    };
    return latest;
  };
}

function allowed(procRoot: string, pid: number): number | null {
  const status = readProc(`${procRoot}/${pid}/status`);
  return status.kind === 'value' ? allowedCpus(status.value) : null;
}

/** Of the agent's group and all above it that can be seen. */
function quotas(procRoot: string, pid: number): CpuQuota[] {
  try {
    const { version, directories } = locateCgroup(procRoot, pid, 'cpu');
    return directories.flatMap((directory) => {
      const text = (name: string) => {
        const read = readProc(`${directory}/${name}`);
        return read.kind === 'value' ? read.value : '';
      };
      const quota =
        version === 'v2'
          ? parseCpuMax(text('cpu.max'))
          : quotaOf(Number(text('cpu.cfs_quota_us')), Number(text('cpu.cfs_period_us')));
      return quota ?? [];
    });
  } catch {
    return []; // no such controller, or nobody shows it
  }
}

function tightest(quotas: readonly CpuQuota[]): CpuQuota | undefined {
  return quotas.toSorted((a, b) => a.cores - b.cores)[0];
}

const SLICE_BYTES = 256 * 1024;
const SLICES = 4;
const PAGE_BYTES = 4096;
let measured: number | undefined;

/**
 * How fast the kernel gives this process fresh memory, in bytes per second, but no less than was seen elsewhere: the machine
 * may be busy at this moment. Once in a process; some 0.5 ms, and 10 ms with six programs for each core. The memory is returned
 * at once.
 */
export function zeroedPerSecond(): number {
  measured ??= Math.max(SEEN_BYTES_PER_SECOND, measureZeroing());
  return measured;
}

function measureZeroing(): number {
  const memory = new ArrayBuffer(0, { maxByteLength: SLICES * SLICE_BYTES });
  memory.resize(SLICES * SLICE_BYTES);
  const bytes = new Uint8Array(memory);
  let leastMs = Number.POSITIVE_INFINITY;
  for (let from = 0; from < bytes.length; from += SLICE_BYTES) {
    const startMs = performance.now();
    for (let at = from; at < from + SLICE_BYTES; at += PAGE_BYTES) bytes[at] = 1;
    leastMs = Math.min(leastMs, performance.now() - startMs);
  }
  memory.resize(0);
  return leastMs > 0 ? (SLICE_BYTES / leastMs) * 1000 : 0;
}
