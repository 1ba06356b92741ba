import type { Status } from '../../src/core/status.ts';

/** A calm status, with what a test wants otherwise. */
export function statusWith(changes: Partial<Status> = {}): Status {
  return {
    level: 'ok',
    ready: true,
    blind: false,
    reason: 'calm',
    since: '2026-01-01T00:00:00.000Z',
    ratio: 0.4,
    usedBytes: 500,
    limitBytes: 1000,
    reclaimableBytes: 100,
    anonBytes: 400,
    shmemBytes: 0,
    kernelBytes: 0,
    rssBytes: 450,
    cpuCores: 0.1,
    processes: 1,
    growthBytesPerSecond: 0,
    secondsToLimit: null,
    secondsToLimitRange: null,
    leakSuspected: false,
    limitSource: 'cgroup-v2',
    usageSource: 'cgroup-v2',
    limitedBy: 'container',
    degraded: [],
    agent: { pid: 7, name: 'agent', runtime: 'node', restarts: 0 },
    oomKills: 0,
    heapUsedBytes: null,
    heapLimitBytes: null,
    recycling: false,
    lastGc: null,
    growth: null,
    lastDeath: null,
    ...changes,
  };
}
