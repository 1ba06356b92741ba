import { describe, expect, it } from 'vitest';
import {
  askedHeap,
  followHeapBound,
  type HeapSample,
  heapAdvice,
  nearerLimit,
  UNBOUND,
} from '../../../../src/core/gc/near-heap-limit.ts';
import { DEFAULT_OPTIONS } from '../../../support/options.ts';

const MIB = 2 ** 20;

describe('the most that the heap can be', () => {
  const limit = 259 * MIB;
  const thresholds = DEFAULT_OPTIONS;

  /** Anonymous memory as shares of the heap's limit, one each 100 ms; `told` is what the agent answers to a question. */
  function questions(shares: number[], told: (share: number) => number = (share) => share): number[] {
    let state = UNBOUND;
    let look: HeapSample | null = null;
    const asked: number[] = [];
    shares.forEach((share, i) => {
      const anonBytes = share * limit;
      const growthBytesPerSecond = i === 0 ? null : ((share - (shares[i - 1] ?? share)) * limit) / 0.1;
      const input = {
        nowMs: i * 100,
        anonBytes,
        heapLimitBytes: limit,
        look,
        growthBytesPerSecond,
        thresholds,
      };
      const next = followHeapBound(state, input);
      state = next.state;
      if (!next.ask) return;
      asked.push(share);
      const usedBytes = told(share) * limit;
      look = { usedBytes, anonBytes };
      state = askedHeap(state, input, usedBytes);
    });
    return asked;
  }
  const ramp = (from: number, to: number, steps: number) =>
    Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps);
  const rest = (at: number, steps: number) => Array<number>(steps).fill(at);

  it('is no reason to ask while it is far from the limit, or rests', () => {
    expect(questions(ramp(0.1, 0.8, 600))).toEqual([]);
    expect(questions(rest(1.5, 600))).toEqual([]);
    expect(questions([...rest(0.1, 5), ...rest(0.95, 600)])).toEqual([]);
  });

  it('is one in the end of a rise, and again only a tenth of the limit higher', () => {
    const asked = questions(ramp(0.1, 1, 900));
    expect(asked[0]).toBeCloseTo(0.855, 2);
    expect(asked[1]).toBeCloseTo(0.955, 2);
    expect(asked).toHaveLength(2);
  });

  it('is one earlier where the limit is seconds away', () => {
    const [asked] = questions(ramp(0.1, 1, 30));
    expect(asked).toBeGreaterThanOrEqual(0.75);
    expect(asked).toBeLessThan(0.85);
  });

  it('is none where the memory was found to be something else, until it grows by what the heap could be', () => {
    const asked = questions(ramp(0.1, 3, 3000), () => 0.1);
    expect(asked[0]).toBeCloseTo(0.855, 2);
    expect(asked[1]).toBeGreaterThan(1.5);
    expect(asked.length).toBeLessThan(5);
  });

  it('is asked about ever more rarely where it comes and goes', () => {
    const teeth = Array.from({ length: 60 }, () => ramp(0.5, 0.95, 50)).flat(); // 5 s each
    expect(questions(teeth, () => 0.6).length).toBeLessThan(8);
  });
});

describe('the nearer limit', () => {
  it('is the heap’s where more of that is taken', () => {
    const heap = { limitedBytes: 240 * MIB, limitBytes: 259 * MIB };
    expect(nearerLimit(heap, 330 * MIB, 512 * MIB)).toBe('heap');
    expect(nearerLimit(heap, 500 * MIB, 512 * MIB)).toBe('container');
    expect(nearerLimit({ ...heap, limitBytes: null }, 1, 512 * MIB)).toBe('container');
    expect(nearerLimit(null, 1, 512 * MIB)).toBe('container');
  });
});

describe('advice on the heap limit', () => {
  const advise = (heapMiB: number, containerMiB: number, explicit = false) =>
    heapAdvice({ heapLimitBytes: heapMiB * MIB, containerLimitBytes: containerMiB * MIB, explicit });

  const toSet = (advice: ReturnType<typeof advise>) =>
    Number(/--max-old-space-size=(\d+)/.exec(advice?.hint ?? '')?.[1] ?? 0);

  it('names the number to set where the heap does not fit into the container', () => {
    expect(advise(259, 256)?.code).toBe('heap_limit_too_high');
    expect(toSet(advise(259, 256))).toBe(192);
    expect(toSet(advise(4096, 512, true))).toBe(384);
    expect(toSet(advise(259, 128))).toBe(80);
  });

  // heap_size_limit as Node 20, 22, 24 and 26 tell it in containers of these sizes
  it.each([
    [259, 384],
    [268, 512],
    [524, 1024],
    [1120, 2048],
  ])('is none for a default of %i MiB in a container of %i MiB', (heapMiB, containerMiB) => {
    expect(advise(heapMiB, containerMiB)).toBeNull();
  });

  it.each([
    96, 128, 192, 256, 384, 512, 1024, 4096,
  ])('is none after it was followed, at %i MiB', (containerMiB) => {
    const setMiB = toSet(advise(8192, containerMiB, true));
    expect(setMiB).toBeGreaterThan(0);
    // V8 tells a little more than what was set
    for (const more of [0, 3, 6, 12]) expect(advise(setMiB + more, containerMiB, true)).toBeNull();
  });
});
