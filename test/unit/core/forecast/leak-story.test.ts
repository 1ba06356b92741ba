import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GrowthTracker } from '../../../../src/core/forecast/growth-tracker.ts';
import { leakSuspectedAt, MIB, normal, random, tell, tooth } from '../../../support/memory-stories.ts';

const noise = random(11);
const breath = () => 0.3 * normal(noise);

describe('a leak is suspected', () => {
  it.each([3, 5, 8, 15])('within 100 s when the floor under teeth of %i s rises 1 MiB/s', (period) => {
    const at = leakSuspectedAt({
      seconds: 200,
      held: (ms) => (60 + ms / 1000 + 40 * tooth(ms, period * 1000) + breath()) * MIB,
    });
    expect(at).not.toBeNull();
    expect(at).toBeGreaterThan(60);
    expect(at).toBeLessThan(100);
  });

  it('when memory only ever rises, after two minutes', () => {
    const at = leakSuspectedAt({ seconds: 300, held: (ms) => (60 + ms / 1000 + breath()) * MIB });
    expect(at).toBeGreaterThan(120);
    expect(at).toBeLessThan(155);
  });

  it('when it is slow', () => {
    const held = (ms: number) => (60 + ms / 20_000 + 40 * tooth(ms, 5000)) * MIB;
    expect(leakSuspectedAt({ seconds: 900, held })).not.toBeNull();
  });

  it('when it begins after a healthy half hour', () => {
    const held = (ms: number) => (60 + Math.max(0, ms / 1000 - 1800) + 40 * tooth(ms, 5000) + breath()) * MIB;
    const at = leakSuspectedAt({ seconds: 2100, everyMs: 100, held });
    expect(at).toBeGreaterThan(1800);
    expect(at).toBeLessThan(2000);
  });

  it('also where load rises a little, because long conversations cost more', () => {
    const held = (ms: number) => (40 + ms / 1000 + 40 * tooth(ms, 5000)) * MIB;
    expect(leakSuspectedAt({ seconds: 120, held, load: (ms) => 0.5 * (1 + ms / 500_000) })).not.toBeNull();
  });

  it('once per episode, with facts for a sentence, and again after the floor fell back', () => {
    const held = (ms: number) => (60 + ((ms / 1000) % 150) + 40 * tooth(ms, 5000)) * MIB;
    const episodes: unknown[] = [];
    let suspected = false;
    tell({
      seconds: 300,
      held,
      watch: (ms, tracker) => {
        const verdict = tracker.leak(ms);
        if (verdict.suspected && !suspected) episodes.push(verdict);
        suspected = verdict.suspected;
      },
    });
    expect(episodes).toHaveLength(2);
    const [first] = episodes as [Extract<ReturnType<GrowthTracker['leak']>, { suspected: true }>];
    expect(first.bytesPerSecond / MIB).toBeCloseTo(1, 1);
    expect(first.floorNowBytes).toBeGreaterThan(first.floorThenBytes + 20 * MIB);
    expect(first.spanSeconds).toBeGreaterThanOrEqual(60);
  });
});

describe('a leak is not suspected', () => {
  const healthy: Record<string, Parameters<typeof leakSuspectedAt>[0]> = {
    'in an hour of healthy teeth': {
      seconds: 3600,
      everyMs: 100,
      held: (ms) => (60 + 40 * tooth(ms, 9000) + 5 * breath()) * MIB,
    },
    'while a cache warms up for a minute, or after': {
      seconds: 900,
      held: (ms) => (60 + 2 * Math.min(ms / 1000, 60) + 30 * tooth(ms, 6000)) * MIB,
    },
    'while a cache fills ever more slowly': {
      seconds: 900,
      held: (ms) => (60 + 150 * (1 - Math.exp(-ms / 30_000)) + 30 * tooth(ms, 6000)) * MIB,
    },
    'while load rises with memory': {
      seconds: 900,
      held: (ms) => (60 + 0.5 * Math.min(ms / 1000, 300) + 30 * tooth(ms, 6000)) * MIB,
      load: (ms) => 0.3 * (1 + Math.min(ms / 1000, 300) / 150),
    },
    'while load doubles and memory with it': {
      seconds: 300,
      held: (ms) => (ms < 100_000 ? 80 : Math.min(160, 80 + (ms - 100_000) / 1000)) * MIB,
      load: (ms) => (ms < 100_000 ? 0.4 : Math.min(0.8, 0.4 + (ms - 100_000) / 200_000)),
    },
    'while garbage piles up for two minutes before its first collection': {
      seconds: 900,
      held: (ms) => (60 + 200 * tooth(ms, 115_000)) * MIB,
    },
    'after one big step': { seconds: 900, held: (ms) => (60 + (ms > 300_000 ? 200 : 0) + breath()) * MIB },
    'after one big step under teeth': {
      seconds: 900,
      held: (ms) => (60 + (ms > 300_000 ? 200 : 0) + 30 * tooth(ms, 6000) + breath()) * MIB,
    },
  };
  it.each(Object.entries(healthy))('%s', (_, story) => {
    expect(leakSuspectedAt(story)).toBeNull();
  });

  it('more than once in five hours of floors that lie anywhere within 60 MiB', () => {
    let alarms = 0;
    [4, 8, 15, 25, 40].forEach((period, i) => {
      const uniform = random(77 * (i + 1));
      const floors = Array.from({ length: 1000 }, () => 60 + 60 * uniform());
      const held = (ms: number) =>
        ((floors[Math.floor(ms / 1000 / period)] as number) + 80 * tooth(ms, period * 1000)) * MIB;
      if (leakSuspectedAt({ seconds: 3600, everyMs: 100, held }) !== null) alarms++;
    });
    expect(alarms).toBeLessThanOrEqual(1);
  });
});

describe('recorded servers (origin: fixtures/traces/ORIGIN.md)', () => {
  interface Trace {
    atMs: number[];
    rssAnonKiB: number[];
    cpuAtMs: number[];
    cpuCores: number[];
  }

  /** Growth in MiB/s once a second, and the first suspicion, in a recorded trace under a limit of 512 MiB. */
  function replay(name: string) {
    const text = readFileSync(new URL(`../../../fixtures/traces/${name}.json`, import.meta.url), 'utf8');
    const { atMs, rssAnonKiB, cpuAtMs, cpuCores } = JSON.parse(text) as Trace;
    const tracker = new GrowthTracker();
    const growth: number[] = [];
    let nextLoad = 0;
    let suspectedMs: number | null = null;
    atMs.forEach((at, i) => {
      tracker.add(at, rssAnonKiB[i]! * 1024, 512 * MIB);
      while (cpuAtMs[nextLoad]! <= at) tracker.load(at, cpuCores[nextLoad++]!);
      if (i % 20 === 0) growth.push((tracker.assess(at).growthBytesPerSecond ?? 0) / MIB);
      if (tracker.leak(at).suspected) suspectedMs ??= at;
    });
    return { growth, leak: tracker.leak(atMs.at(-1)!), suspectedMs };
  }

  it('a server that keeps each conversation: suspected, at the 1 MB/s it was made to keep', () => {
    const { growth, leak, suspectedMs } = replay('leaky');
    expect(growth.at(-1)).toBeGreaterThan(0.8);
    expect(growth.at(-1)).toBeLessThan(1.2);
    expect(leak).toMatchObject({ suspected: true });
    expect(suspectedMs).toBeLessThan(115_000);
    expect(leak.suspected && leak.bytesPerSecond / 1e6).toBeCloseTo(1, 0);
  });

  it('a server that makes 150 MB of garbage a second: not suspected, not growing', () => {
    const { growth, leak } = replay('garbage');
    expect(leak).toEqual({ suspected: false });
    expect(growth.slice(30).filter((value) => value > 0.3)).toEqual([]);
  });

  it('a server whose cache fills for 50 s: not suspected, no longer growing', () => {
    const { growth, leak } = replay('warm-up');
    expect(leak).toEqual({ suspected: false });
    expect(growth.slice(70).filter((value) => value > 1.5)).toEqual([]);
    expect(growth.at(-1)).toBeLessThan(0.1);
  });
});
