import { describe, expect, it } from 'vitest';
import type { Status } from '../../../../src/core/model/status.ts';
import { composeReport, type ReportParts } from '../../../../src/core/report/death-report.ts';
import type { HistoryReading } from '../../../../src/core/report/history.ts';
import { statusWith } from '../../../support/status.ts';

const MiB = 2 ** 20;
const AT = Date.parse('2026-01-01T00:01:00Z');

function reading(secondsBefore: number, heldMiB: number): HistoryReading {
  return {
    at: new Date(AT - secondsBefore * 1000).toISOString(),
    level: 'ok',
    ratio: 0.99, // may be the heap's: the kernel knows nothing of it
    usedBytes: (heldMiB + 100) * MiB,
    reclaimableBytes: 100 * MiB,
    limitBytes: 512 * MiB,
    anonBytes: heldMiB * MiB,
    rssBytes: heldMiB * MiB,
  };
}

function report(readings: HistoryReading[], status: Partial<Status> = {}, parts: Partial<ReportParts> = {}) {
  return composeReport({
    id: 'id-1',
    wallMs: AT,
    exit: { exitCode: null, signal: 'SIGKILL' },
    oomKillsDelta: 1,
    oomKills: 1,
    heapLimitBytes: null,
    status: statusWith(status),
    history: { readings, transitions: [] },
    processes: [],
    guardianVersion: '1',
    ...parts,
  });
}

describe('composeReport', () => {
  it('tells how memory stood before the kernel took it back', () => {
    expect(report([reading(30, 511), reading(1, 500), reading(0.1, 12)]).reason).toContain('98 %');
  });

  it('goes by the container’s ratio, also where the level followed the heap', () => {
    const { reason } = report([reading(0.1, 300)], { ratio: 0.99, limitedBy: 'heap' });
    expect(reason).toContain('59 %');
  });

  it('does without readings', () => {
    const { cause } = report([], { ratio: null, usedBytes: null, limitBytes: null });
    expect(cause).toBe('oom-killed');
  });

  const aborted = { exit: { exitCode: 134, signal: null }, oomKillsDelta: 0, heapLimitBytes: 259 * MiB };

  it('names the heap’s own limit by what the agent told of it', () => {
    const heap = { heapUsedBytes: 250 * MiB, heapLimitBytes: 260 * MiB };
    const { cause, reason } = report([reading(0.1, 330)], heap, aborted);
    expect(cause).toBe('heap-limit');
    for (const told of ['260 MiB', '250 MiB']) expect(reason).toContain(told);
  });

  it('takes what was told for old when memory has risen to the limit since', () => {
    const heap = { heapUsedBytes: 150 * MiB, heapLimitBytes: 260 * MiB };
    expect(report([reading(0.1, 290)], heap, aborted).cause).toBe('heap-limit');
  });

  it('blames no abort on a heap that was far from its limit', () => {
    const heap = { heapUsedBytes: 40 * MiB, heapLimitBytes: 260 * MiB };
    expect(report([reading(0.1, 290)], heap, aborted).cause).toBe('signal');
  });
});
