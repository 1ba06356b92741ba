import { describe, expect, it } from 'vitest';
import { parsePerfData, safepointMs } from '../../../../src/runtimes/jvm/parse-perf-data.ts';
import { COUNTERS, perfData } from '../../../support/perf-data.ts';

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
