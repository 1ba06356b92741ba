import { describe, expect, it } from 'vitest';
import * as words from '../../../src/page/words.ts';
import { golden } from '../../support/golden.ts';
import { statusWith } from '../../support/status.ts';

const MIB = 2 ** 20;

describe('words of the page', () => {
  it('says bytes, shares and growth with their units, and a dash for what is not known', () => {
    expect([words.bytes(12 * MIB), words.bytes(null), words.bytes(undefined)]).toEqual([
      '12.0 MiB',
      '–',
      '–',
    ]);
    expect([words.percent(0.854), words.percent(0), words.percent(null)]).toEqual(['85 %', '0 %', '–']);
    expect([5 * MIB, -5 * MIB, 0, 1000, null].map(words.growth)).toEqual([
      '+5.00 MiB/s',
      '-5.00 MiB/s',
      'steady',
      'steady',
      '–',
    ]);
  });

  it.each([
    [0, '0'],
    [24 * MIB, '24 MiB'],
    [1.5 * MIB, '1.5 MiB'],
    [1.25 * MIB, '1.25 MiB'],
    [100 * MIB, '100 MiB'],
    [1024 * MIB, '1 GiB'],
  ])('writes %i bytes on the scale as %s', (bytes, text) => expect(words.shortBytes(bytes)).toBe(text));

  it('says when the limit is reached, with its bounds', () => {
    const outlook = { growthBytesPerSecond: 1, secondsToLimit: 34, secondsToLimitRange: null };
    expect(words.toLimit(outlook)).toEqual({ value: '34 s', detail: 'at the present growth' });
    expect(words.toLimit({ ...outlook, secondsToLimitRange: [20, null] }).detail).toBe(
      '20 s to never (95 %)',
    );
    expect(words.toLimit({ ...outlook, secondsToLimit: null }).value).toBe('–');
  });

  it('puts the level first in the title, and never an old one', () => {
    const status = statusWith({ level: 'shedding', ratio: 0.87 });
    expect(words.title(status, true)).toBe('◆ 87 % Shedding · agent · Spillway');
    expect(words.title(status, false)).toBe('? agent · Spillway');
    expect(words.title({ ...status, blind: true }, true)).toBe('? blind · agent · Spillway');
    expect(words.title(null, true)).toBe('Spillway');
  });

  it('announces changes of level, readiness and sight, and nothing else', () => {
    const calm = statusWith();
    expect(words.announcement(null, calm)).toBeNull();
    expect(words.announcement(calm, statusWith({ ratio: 0.6, reason: 'other' }))).toBeNull();
    for (const changed of [{ level: 'shedding' }, { ready: false }, { blind: true }] as const)
      expect(words.announcement(calm, statusWith(changed))).not.toBeNull();
  });

  it('says what a collection brought', () => {
    const record = { verdict: 'freed', freedBytes: 38 * MIB, stallMs: 210 } as Parameters<
      typeof words.collection
    >[0];
    expect(words.collection(record)).toBe('freed 38.0 MiB, paused 210 ms');
    expect(words.collection({ ...record, verdict: 'refused', stallMs: 0 })).toBe('refused');
  });

  it('names a place in a program as far as it is known', () => {
    expect([words.place('a.ts', 4), words.place('a.ts', null), words.place(null, null)]).toEqual([
      'a.ts:4',
      'a.ts',
      '',
    ]);
  });
});

golden('page', () => {
  const outlook = { growthBytesPerSecond: 0, secondsToLimit: null, secondsToLimitRange: null };
  const calm = statusWith();
  const shed = statusWith({ level: 'shedding', ready: false, reason: 'use at 86 %' });
  const point = {
    atMs: 0,
    level: 'ok' as const,
    usedBytes: 20 * MIB,
    reclaimableBytes: 10 * MIB,
    anonBytes: null,
    limitBytes: 100 * MIB,
  };
  const points = [point, { ...point, atMs: 60_000, usedBytes: 60 * MIB }];
  return [
    words.toLimit(outlook).detail,
    words.toLimit({ ...outlook, growthBytesPerSecond: null }).detail,
    words.readiness({ ready: true, recycling: false }),
    words.readiness({ ready: false, recycling: false }),
    words.readiness({ ready: false, recycling: true }),
    String(words.announcement(calm, shed)),
    String(words.announcement(shed, { ...shed, ready: true })),
    String(words.announcement(calm, statusWith({ blind: true, reason: 'no agent' }))),
    words.describeChart([], true),
    words.describeChart(points, true),
    words.describeChart(points, false),
  ];
});
