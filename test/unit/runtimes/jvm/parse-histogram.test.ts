import { describe, expect, it } from 'vitest';
import { histogramProfile, parseHistogram } from '../../../../src/runtimes/jvm/parse-histogram.ts';

const TEXT = ` num     #instances         #bytes  class name (module)
-------------------------------------------------------
   1:          7249       52762088  [B (java.base@17.0.15)
   2:            10           4000  [[Ljava.lang.String; (java.base@17.0.15)
   3:             4            400  [Lcom.acme.Turn;
   4:             2             32  com.acme.Agent$$Lambda$14/0x0000000800c03000
   5:             1             16  com.acme.Agent$$Lambda/0x00007f1234567890
   6:             1              8  [[[J (java.base@17.0.15)
Total          7267       52766544
`;

describe('parseHistogram', () => {
  it('names classes as in Java source, with their modules', () => {
    expect([...parseHistogram(TEXT)]).toEqual([
      ['byte[]', { bytes: 52762088, module: 'java.base' }],
      ['java.lang.String[][]', { bytes: 4000, module: 'java.base' }],
      ['com.acme.Turn[]', { bytes: 400, module: null }],
      ['com.acme.Agent$$Lambda$14', { bytes: 32, module: null }],
      ['com.acme.Agent$$Lambda', { bytes: 16, module: null }],
      ['long[][][]', { bytes: 8, module: 'java.base' }],
    ]);
  });

  it('adds up a class of several loaders, and takes what came of one cut short', () => {
    expect(parseHistogram('   1: 1 20 a.B\n   2: 1 10 a.B\n   3: 1 5 a.').get('a.B')?.bytes).toBe(30);
    expect(parseHistogram('').size).toBe(0);
  });
});

describe('histogramProfile', () => {
  const of = (entries: Record<string, number>) =>
    new Map(Object.entries(entries).map(([name, bytes]) => [name, { bytes, module: null }]));

  it('puts the most growth first', () => {
    const profile = histogramProfile(of({ a: 100, b: 90, c: 50 }), of({ a: 100, b: 10 }));
    expect(profile.sites.map(({ name, growthBytes }) => [name, growthBytes])).toEqual([
      ['b', 80],
      ['c', 50],
      ['a', 0],
    ]);
    expect(profile).toMatchObject({ sampledMs: null, file: null });
  });

  it('keeps room for classes of the agent below those of the JDK', () => {
    const jdk = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`java.util.C${i}`, 1000 - i]));
    const own = { 'a.One': 40, 'a.Two': 30, 'a.Three': 20, 'a.Four': 10, 'int[]': 50 };
    const names = histogramProfile(of({ ...jdk, ...own }), of({})).sites.map(({ name }) => name);
    expect(names).toHaveLength(10);
    expect(names.slice(-4)).toEqual(['java.util.C6', 'a.One', 'a.Two', 'a.Three']);
  });
});
