import { describe, expect, it } from 'vitest';
import { parsePerfData, safepointMs } from '../../../src/core/jvm-perf-data.ts';

/** A file as HotSpot writes it: `sun.os.vendor` is text, the rest are numbers. */
function perfData(counters: Record<string, number | string>, { accessible = 1 } = {}): Buffer {
  const header = Buffer.alloc(32);
  header.writeUInt32BE(0xcafec0c0, 0);
  header.set([1, 2, 0, accessible], 4);
  header.writeInt32LE(32, 24);
  header.writeInt32LE(Object.keys(counters).length, 28);
  const entries = Object.entries(counters).map(([name, value]) => {
    const dataAt = 20 + Math.ceil((name.length + 1) / 8) * 8 + 4;
    const entry = Buffer.alloc(dataAt + 8);
    entry.writeInt32LE(entry.length, 0);
    entry.writeInt32LE(20, 4);
    entry.writeInt32LE(typeof value === 'string' ? 8 : 0, 8);
    entry.write(typeof value === 'string' ? 'B' : 'J', 12);
    entry.writeInt32LE(dataAt, 16);
    entry.write(name, 20);
    if (typeof value === 'number') entry.writeBigInt64LE(BigInt(value), dataAt);
    return entry;
  });
  return Buffer.concat([header, ...entries]);
}

const COUNTERS = {
  'java.vendor': 'x',
  'sun.rt.safepointTime': 12_000_000,
  'sun.rt.safepointSyncTime': 500_000,
  'sun.os.hrt.frequency': 1_000_000_000,
};

describe('parsePerfData', () => {
  it('reads the counters that are numbers', () => {
    const { 'java.vendor': _, ...numbers } = COUNTERS;
    expect(Object.fromEntries(parsePerfData(perfData(COUNTERS)) ?? [])).toEqual(numbers);
  });

  it('is null for anything else, at any length', () => {
    const whole = perfData(COUNTERS);
    expect(parsePerfData(Buffer.alloc(64))).toBeNull();
    expect(parsePerfData(perfData(COUNTERS, { accessible: 0 }))).toBeNull();
    for (let length = 0; length < whole.length; length++)
      expect(parsePerfData(whole.subarray(0, length))?.size ?? 0).toBeLessThan(3);
  });
});

describe('safepointMs', () => {
  it('is the time at safepoints and on the way there', () => {
    expect(safepointMs(parsePerfData(perfData(COUNTERS)) ?? new Map())).toBe(12.5);
    expect(safepointMs(new Map())).toBeNull();
  });
});
