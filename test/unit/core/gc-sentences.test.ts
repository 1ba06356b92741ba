import type { GcReason } from '../../../src/core/gc/decision.ts';
import { heapAdvice } from '../../../src/core/gc/near-heap-limit.ts';
import { snapshotDiskRoom, snapshotRoom } from '../../../src/core/gc/snapshot-room.ts';
import { type GcFacts, gcVerdict } from '../../../src/core/gc/verdict.ts';
import { describeReason, describeStanding, type GcStanding } from '../../../src/core/gc/words.ts';
import type { HeapFacts } from '../../../src/core/model/heap.ts';
import { golden } from '../../support/golden.ts';
import { MiB } from '../../support/reading.ts';

golden('gc', () => {
  const heapOf = (used: number, external: number): HeapFacts => ({
    usedBytes: used * MiB,
    committedBytes: used * MiB,
    limitBytes: null,
    limitedBytes: used * MiB,
    externalBytes: external * MiB,
  });
  const facts: GcFacts = {
    runtime: 'node',
    way: 'full',
    before: heapOf(500, 0),
    after: heapOf(20, 0),
    stallMs: 61,
    workers: 0,
    usedBytesBefore: 560 * MiB,
    freedCgroupBytes: 480 * MiB,
    freedRssBytes: 500 * MiB,
  };
  const kept: Partial<GcFacts> = { freedCgroupBytes: MiB, freedRssBytes: 2 * MiB };
  const all: Partial<GcFacts>[] = [
    { workers: 2 },
    { ...kept, after: heapOf(495, 0), stallMs: 464 },
    { ...kept, before: heapOf(20, 540), after: heapOf(10, 1) },
    { ...kept, way: 'fast' },
    { ...kept, workers: 1 },
    { ...kept, runtime: 'jvm' },
    { ...kept, runtime: 'go' },
  ];
  const limits = { heapLimitBytes: 4096 * MiB, containerLimitBytes: 512 * MiB };
  const advice = [false, true].map((explicit) => heapAdvice({ ...limits, explicit }));
  return [
    ...all
      .map((changes) => gcVerdict({ ...facts, ...changes }))
      .map(({ verdict, note, hint }) => `${verdict}: ${note}; ${hint}`),
    ...advice.map((each) => `${each?.code}: ${each?.message}; ${each?.hint}`),
    snapshotRoom({ heapUsedBytes: 100 * MiB, heldBytes: 120 * MiB, limitBytes: 512 * MiB }),
    snapshotDiskRoom({ heapUsedBytes: 100 * MiB, freeBytes: 399 * MiB, totalBytes: 1000 * MiB }),
    snapshotDiskRoom({ heapUsedBytes: 100 * MiB, freeBytes: 0, totalBytes: 1000 * MiB }),
    ...standings(),
    ...reasons(),
  ];
});

function standings(): readonly string[] {
  const garbageBytes = 5 * MiB;
  const stallMs = 540;
  const all: GcStanding[] = [
    { code: 'switched_off' },
    { code: 'running' },
    { code: 'no_agent' },
    { code: 'not_answered' },
    { code: 'refused', message: 'process 7 has ended' },
    { code: 'no_stall_budget' },
    { code: 'no_pressure' },
    { code: 'backoff' },
    { code: 'impossible' },
    { code: 'just_ended' },
    { code: 'freed_little', garbageBytes },
    { code: 'little_garbage', garbageBytes },
    { code: 'stall_too_long', stallMs, mostMs: 250, level: 'warning' },
    { code: 'above_budget', stallMs },
    { code: 'budget_spent', stallMs },
  ];
  return all.map((standing) => `${standing.code}: ${describeStanding(standing)}`);
}

function reasons(): readonly string[] {
  const all: GcReason[] = [
    { code: 'request' },
    { code: 'load_ended' },
    { code: 'limit_foreseen', secondsToLimit: 4 },
    { code: 'usage', ratio: 0.789 },
  ];
  return all.map((reason) => `${reason.code}: ${describeReason(reason)}`);
}
