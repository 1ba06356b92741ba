import { describe, expect, it } from 'vitest';
import { type GcFacts, gcFailure, gcVerdict } from '../../../../src/core/gc/verdict.ts';
import { SpillwayError } from '../../../../src/core/lib/errors.ts';
import type { HeapFacts } from '../../../../src/core/model/heap.ts';

const MIB = 2 ** 20;

function heap(usedMiB: number, externalMiB: number | null = 0): HeapFacts {
  return {
    usedBytes: usedMiB * MIB,
    committedBytes: usedMiB * MIB,
    limitBytes: null,
    limitedBytes: usedMiB * MIB,
    externalBytes: externalMiB === null ? null : externalMiB * MIB,
  };
}

function facts(changes: Partial<GcFacts>): GcFacts {
  return {
    runtime: 'node',
    way: 'full',
    before: heap(500),
    after: heap(20),
    stallMs: 61,
    workers: 0,
    usedBytesBefore: 560 * MIB,
    freedCgroupBytes: 480 * MIB,
    freedRssBytes: 500 * MIB,
    ...changes,
  };
}

describe('the verdict on a collection', () => {
  it('freed: what left the system, and its price', () => {
    expect(gcVerdict(facts({ workers: 2 }))).toMatchObject({ verdict: 'freed', hint: null });
  });

  it('freed: also where that is little of a large agent, but most of what was garbage', () => {
    const much = { usedBytesBefore: 2000 * MIB, freedCgroupBytes: 40 * MIB, freedRssBytes: null };
    expect(gcVerdict(facts({ ...much, before: heap(100), after: heap(60) })).verdict).toBe('freed');
  });

  it('nothing freed: all of it is live, whatever noise there is', () => {
    const live = { before: heap(500), after: heap(495), freedCgroupBytes: -3 * MIB, freedRssBytes: 2 * MIB };
    expect(gcVerdict(facts({ ...live, stallMs: 464 }))).toMatchObject({
      verdict: 'nothing_freed',
      hint: null,
    });
  });

  it('nothing freed: where the runtime tells nothing and nothing came back', () => {
    const blind = { before: null, after: null, freedCgroupBytes: 0, freedRssBytes: null };
    expect(gcVerdict(facts(blind)).verdict).toBe('nothing_freed');
  });

  const unreturned = { freedCgroupBytes: 1 * MIB, freedRssBytes: 2 * MIB };
  it.each([
    ['Buffers', { before: heap(20, 540), after: heap(10, 1) }, /MALLOC_MMAP_THRESHOLD_=65536/],
    ['a fast GC', { way: 'fast' }, null],
    ['fragments', {}, null],
    ['a JVM', { runtime: 'jvm' }, /UseG1GC/],
  ] as const)('not returned: %s', (_, changes, hint) => {
    const outcome = gcVerdict(facts({ ...unreturned, ...changes }));
    expect(outcome.verdict).toBe('not_returned');
    if (hint) expect(outcome.hint).toMatch(hint);
    else expect(outcome.hint).toBeNull();
  });

  it('refused and timeout: the reason and the hint as they come', () => {
    const error = new SpillwayError('refused', 'port 9229 is taken', { hint: 'free it' });
    expect(gcFailure(error)).toEqual({ verdict: 'refused', note: 'port 9229 is taken', hint: 'free it' });
    expect(gcFailure(new SpillwayError('timeout', 'no answer')).hint).toBeNull();
  });
});
