import { describe, expect, it } from 'vitest';
import { heapLimit } from '../../../../src/core/gc/heap-limit.ts';

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
    [65_536, 4096],
  ])('is by default, in a container of %i MiB, about %i MiB', (container, heap) => {
    expect(heapLimit(['node', 'a.js'], '', container * MiB)).toEqual({ bytes: heap * MiB, set: false });
  });
});
