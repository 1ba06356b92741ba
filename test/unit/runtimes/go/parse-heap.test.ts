import { describe, expect, it } from 'vitest';
import {
  GoHeapReader,
  goHeapFacts,
  goPausesMs,
  goProfile,
  goReturnHint,
} from '../../../../src/runtimes/go/parse-heap.ts';
import { golden } from '../../../support/golden.ts';

const STATS = `
# runtime.MemStats
# Alloc = 9000000
# HeapAlloc = 9000000
# HeapSys = 66000000
# HeapIdle = 50000000
# HeapReleased = 40000000
# Stack = 491520 / 491520
# PauseNs = [1000000 2000000 3000000 ${Array(253).fill(0).join(' ')}]
# PauseEnd = [1 2 3]
# NumGC = 3
# GCCPUFraction = 0.0012
`;
const record = (inUse: string, ...frames: string[]) =>
  [`${inUse} [9: 9] @ 0x1 0x2`, ...frames.map((frame) => `#\t0x4a1b2b\t${frame}`), ''].join('\n');

function read(...records: string[]) {
  const reader = new GoHeapReader();
  const text = ['heap profile: 1: 2 [3: 4] @ heap/1048576', ...records].join('\n') + STATS;
  for (const line of text.split('\n')) reader.line(line);
  return reader.end();
}
const sitesOf = (...records: string[]) => [...(read(...records)?.sites.values() ?? [])];

describe('GoHeapReader', () => {
  it('scales samples as pprof does', () => {
    // 10 objects of 4 KiB seen at one sample per 512 KiB stand for 10 / (1 - e^(-1/128)) = 1,285 objects
    const [small, large, none] = sitesOf(
      record('10: 40960', 'main.small+0x4b\t\t/src/agent/main.go:12'),
      record('1: 67108864', 'main.large+0x4b\t/src/agent/main.go:13'),
      record('0: 0', 'main.none+0x4b\t/src/agent/main.go:14'),
    );
    expect(small?.bytes).toBe(5263387);
    expect(large?.bytes).toBe(67108864);
    expect(none).toBeUndefined();
  });

  it('adds up the stacks of one line, and leaves lines apart', () => {
    const at = (line: number) => record('1: 67108864', `main.grow+0x4b\t/a/main.go:${line}`);
    expect(sitesOf(at(1), at(2), at(1)).map(({ line, bytes }) => [line, bytes])).toEqual([
      [1, 2 * 67108864],
      [2, 67108864],
    ]);
  });

  it.each([
    [
      'growth inside the library',
      [
        'bytes.growSlice+0x8e\t/go/src/bytes/buffer.go:257',
        'bytes.(*Buffer).Write+0x4\t/go/src/bytes/buffer.go:177',
        'main.(*Agent).remember+0x4b\t/a/main.go:12',
        'runtime.main+0x1\t/go/src/runtime/proc.go:283',
      ],
      'main.(*Agent).remember',
      null,
    ],
    [
      'a module',
      [
        'github.com/Azure/x/y.Do[...]+0x1\t/root/go/pkg/mod/github.com/!azure/x@v1.2.3/y/do.go:7',
        'main.main+0x1\t/a/main.go:1',
      ],
      'github.com/Azure/x/y.Do[...]',
      'github.com/Azure/x',
    ],
    [
      'a module, with trimmed paths',
      ['gopkg.in/yaml%2ev3.(*node).add+0x1\tgopkg.in/yaml.v3@v3.0.1/a.go:7'],
      'gopkg.in/yaml%2ev3.(*node).add',
      'gopkg.in/yaml.v3',
    ],
    [
      'a vendored package',
      ['github.com/x/y.F+0x1\t/a/vendor/github.com/x/y/f.go:7'],
      'github.com/x/y.F',
      'github.com/x/y',
    ],
    [
      'a package of the agent without a point in its path',
      ['agent/memory.Keep+0x1\t/a/memory/keep.go:3'],
      'agent/memory.Keep',
      null,
    ],
    [
      'nothing but the runtime',
      ['runtime.allocm+0x1\t/go/src/runtime/proc.go:9', 'runtime.mstart+0x1\t/go/src/runtime/proc.go:8'],
      'runtime.allocm',
      'runtime',
    ],
  ] as const)('names who is responsible for %s', (_, frames, name, pack) => {
    const [site] = sitesOf(record('1: 67108864', ...frames));
    expect(site).toMatchObject({ name, package: pack, kind: 'function' });
    expect(site?.line).toBeGreaterThan(0);
  });

  it('is null for what is no heap profile, and for half of one', () => {
    expect(new GoHeapReader().end()).toBeNull();
    const reader = new GoHeapReader();
    for (const line of STATS.split('\n').slice(0, 6)) reader.line(line);
    expect(reader.end()).toBeNull();
  });
});

describe('what a profile says', () => {
  const heap = read();
  if (!heap) throw new Error('not read');

  it('has facts: what is used, and what was taken and not given back', () => {
    expect(goHeapFacts(heap)).toEqual({
      usedBytes: 9e6,
      committedBytes: 26e6,
      limitBytes: null,
      limitedBytes: 9e6,
      externalBytes: null,
    });
  });

  it('has the pauses since a collection', () => {
    expect(goPausesMs(heap, 3)).toBe(0);
    expect(goPausesMs(heap, 2)).toBe(3);
    expect(goPausesMs(heap, 0)).toBe(6);
  });

  it('has the pauses of a ring that has gone round', () => {
    const stats = new Map([['NumGC', 1000]]);
    expect(goPausesMs({ ...heap, stats, pausesNs: Array(256).fill(1e6) }, 0)).toBe(256);
    expect(goPausesMs({ ...heap, stats, pausesNs: Array(256).fill(1e6) }, 998)).toBe(2);
  });
});

describe('goProfile', () => {
  it('puts the most growth first', () => {
    const at = (name: string, bytes: number) => record(`1: ${bytes}`, `main.${name}+0x1\t/a/main.go:1`);
    const sites = (...records: string[]) => read(...records)?.sites ?? new Map();
    const profile = goProfile(sites(at('a', 64e6), at('b', 48e6)), sites(at('a', 60e6)));
    expect(profile.sites.map(({ name, growthBytes }) => [name, growthBytes])).toEqual([
      ['main.b', 48e6],
      ['main.a', 4e6],
    ]);
  });
});

describe('goReturnHint', () => {
  golden('go-hints', () => [`unset: ${goReturnHint(undefined)}`, `1GiB: ${goReturnHint('1GiB')}`]);
});
