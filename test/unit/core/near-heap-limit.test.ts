import { describe, expect, it } from 'vitest';
import { askHeapEveryMs, heapAdvice, nearerLimit } from '../../../src/core/near-heap-limit.ts';

const MIB = 2 ** 20;

describe('how often the heap is asked for', () => {
  const limit = 259 * MIB;

  it('is not at all while anonymous memory is far below what the heap may be', () => {
    expect(askHeapEveryMs(0.59 * limit, limit, null)).toBeNull();
    expect(askHeapEveryMs(100 * MIB, 0, null)).toBeNull();
  });

  it('is ten times a second near the limit, once a second where it begins', () => {
    expect(askHeapEveryMs(0.6 * limit, limit, null)).toBe(1000);
    expect(askHeapEveryMs(0.725 * limit, limit, null)).toBe(550);
    expect(askHeapEveryMs(0.9 * limit, limit, null)).toBe(100);
  });

  it('is once a second where the memory is known to be something else, until it grows', () => {
    const look = { usedBytes: 0.1 * limit, anonBytes: 1.2 * limit };
    expect(askHeapEveryMs(1.2 * limit, limit, look)).toBe(1000);
    expect(askHeapEveryMs(1.1 * limit, limit, look)).toBe(1000);
    expect(askHeapEveryMs(2 * limit, limit, look)).toBe(100);
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

  it('names the number to set where the heap does not fit into the container', () => {
    expect(advise(259, 256)).toEqual({
      message:
        "V8's heap may grow to 259 MiB by default, which the container's 256 MiB cannot hold, so the kernel kills it before V8 collects hard; set --max-old-space-size=192 on the command line or in NODE_OPTIONS",
      setMebibytes: 192,
    });
    expect(advise(4096, 512, true)).toMatchObject({ setMebibytes: 384 });
    expect(advise(4096, 512, true)?.message).not.toContain('by default');
    expect(advise(259, 128)).toMatchObject({ setMebibytes: 80 });
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
    const { setMebibytes = 0 } = advise(8192, containerMiB, true) ?? {};
    expect(setMebibytes).toBeGreaterThan(0);
    // V8 tells a little more than what was set
    for (const more of [0, 3, 6, 12]) expect(advise(setMebibytes + more, containerMiB, true)).toBeNull();
  });
});
