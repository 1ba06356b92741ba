import { describe, expect, it } from 'vitest';
import { heapLimit, oldGeneration } from '../../../../src/core/gc/heap-limit.ts';

const MiB = 2 ** 20;

describe("V8's heap limit, seen from outside", () => {
  it.each([
    [['node', '--max-old-space-size=300', 'a.js'], '', 300],
    [['node', '--max_old_space_size', '300', 'a.js'], '', 300],
    [['node', 'a.js'], '--enable-source-maps --max-old-space-size=200', 200],
    [['node', '--max-old-space-size=300', 'a.js'], '--max-old-space-size=200', 300],
    [['node', '--max-old-space-size-percentage=75', 'a.js'], '', 384],
    [['node', 'a.js'], '--max_old_space_size_percentage=25', 128],
    [['node', 'a.js'], '"--max-old-space-size=200"', 200],
    [['node', '--max-old-space-size-percentage=50', '--max-old-space-size=100', 'a.js'], '', 256],
    [['node', '--max-old-space-size=100', 'a.js'], '--max_old_space_size_percentage=25', 128],
  ])('of %j with NODE_OPTIONS %j is %i MiB', (args, options, mebibytes) => {
    expect(heapLimit(args, options, 512 * MiB)).toEqual({ bytes: mebibytes * MiB, set: true });
  });

  it.each([
    [256, 259],
    [512, 259],
    [1024, 512],
    [8192, 2048],
    [65_536, 4096],
  ])('is by default, in a container of %i MiB, about %i MiB', (container, heap) => {
    expect(heapLimit(['node', 'a.js'], '', container * MiB)).toEqual({ bytes: heap * MiB, set: false });
  });
});

describe("V8's heap limit, told from inside", () => {
  it.each([
    // measured: Node 20, 24 and 26
    [512, 259, [], 259],
    [1024, 560, [], 512],
    [2048, 1072, [], 1024],
    [8192, 2096, [], 2048],
    [8192, 2240, [], 2048],
    [8192, 2144, [], 2048],
    [65_536, 4288, [], 4096],
    [512, 348, ['--max-old-space-size=300', '--max-semi-space-size=16'], 300],
    [512, 1000, [], 1000],
  ])('in a container of %i MiB, %i MiB with %j, leaves %i MiB to the old generation', (container, told, args, old) => {
    expect(oldGeneration(told * MiB, args, '', container * MiB)).toBe(old * MiB);
  });
});
