import { describe, expect, it } from 'vitest';
import type { Site } from '../../../../src/core/model/heap.ts';
import { growthKinds, type MemoryFacts, plainSite } from '../../../../src/core/report/growth-breakdown.ts';

const MIB = 1024 ** 2;
const PID = 10;

function facts(mib: {
  heap?: number;
  external?: number;
  rss?: number;
  anon?: number;
  shmem?: number;
}): MemoryFacts {
  const { heap = 20, external = 2, rss = 62, anon, shmem = 0 } = mib;
  return {
    heap: {
      usedBytes: heap * MIB,
      committedBytes: heap * MIB,
      limitBytes: null,
      limitedBytes: heap * MIB,
      externalBytes: external * MIB,
    },
    rssBytes: rss * MIB,
    anonBytes: anon === undefined ? null : anon * MIB,
    shmemBytes: shmem * MIB,
    processes: [{ pid: PID, name: 'node', rssBytes: rss * MIB }],
  };
}
function site(name: string, growthMib: number, rest: Partial<Site> = {}): Site {
  const bytes = growthMib * MIB;
  return {
    name,
    kind: 'function',
    file: 'src/agent.ts',
    line: 7,
    package: null,
    bytes,
    growthBytes: bytes,
    ...rest,
  };
}
const CALM = facts({});
const grown = (now: MemoryFacts, before: MemoryFacts | null = CALM, sites: Site[] = []) =>
  growthKinds(PID, now, before, sites).kinds.map(({ kind, growthBytes }) => [kind, growthBytes / MIB]);

describe('growthKinds', () => {
  it('is nothing while nothing grows', () => {
    expect(growthKinds(PID, CALM, CALM, [])).toMatchObject({ kinds: [] });
  });

  it('tells heap, Buffers, native and shared memory apart, most growth first', () => {
    expect(grown(facts({ heap: 120, rss: 165 }))).toEqual([
      ['heap', 100],
      ['native', 3],
    ]);
    expect(grown(facts({ external: 302, rss: 362 }))).toEqual([['external', 300]]);
    expect(grown(facts({ rss: 262 }))).toEqual([['native', 200]]);
    expect(grown(facts({ shmem: 64 }))).toEqual([['shared', 64]]);
  });

  it('does not count mapped files, which can be dropped, as native memory', () => {
    expect(grown(facts({ rss: 262, anon: 60 }), facts({ anon: 60 }))).toEqual([]);
  });

  it('does not call it growth when one kind takes what another gave back', () => {
    expect(grown(facts({ external: 2, rss: 362 }), facts({ external: 302, rss: 362 }))).toEqual([]);
  });

  it('names children by number', () => {
    const children = [1, 2, 3, 4].map((i) => ({ pid: PID + i, name: 'chromium', rssBytes: 77.5 * MIB }));
    const now = { ...CALM, processes: [...CALM.processes, ...children] };
    const { kinds, note } = growthKinds(PID, now, CALM, []);
    expect(kinds).toMatchObject([{ kind: 'children', bytes: 310 * MIB, growthBytes: 310 * MIB }]);
    for (const part of ['310 MiB', '`chromium` ×4']) expect(note).toContain(part);
  });

  it('where the heap was not known before, it has grown by no more than its process has', () => {
    const before = { ...facts({ rss: 62 }), heap: null };
    expect(grown(facts({ heap: 120, rss: 162 }), before)).toEqual([
      ['heap', 100],
      ['external', 2],
    ]);
    expect(grown(facts({ heap: 20, rss: 362 }), before)).toEqual([
      ['native', 278],
      ['heap', 20],
      ['external', 2],
    ]);
  });

  it('where nothing was known before, what a fresh runtime needs is no growth', () => {
    expect(grown(facts({ heap: 120, rss: 166 }), null)).toEqual([
      ['heap', 120],
      ['external', 2],
    ]);
  });

  it('tells the other kinds of a runtime that says nothing of its heap', () => {
    const silent = { ...facts({ rss: 400, shmem: 50 }), heap: null };
    expect(grown(silent, { ...CALM, heap: null })).toEqual([['shared', 50]]);
  });

  it('names the three sites that grew most, with package', () => {
    const sites = [
      site('agentStep', 84),
      site('parse', 9.5, { file: 'node_modules/openai/core.js', line: 31, package: 'openai' }),
      site('[B', 3, { kind: 'class', file: null, line: null }),
      site('fourth', 1),
    ];
    expect(growthKinds(PID, facts({ heap: 120, rss: 162 }), CALM, sites).note).toBe(
      'Heap: 120 MiB (+100 MiB), grown in `agentStep (src/agent.ts:7)` +84.0 MiB, `parse (node_modules/openai/core.js:31)` of openai +9.50 MiB, `[B` +3.00 MiB.',
    );
  });

  it('keeps the note within 400 characters', () => {
    const all = { ...facts({ heap: 120, external: 90, rss: 400, shmem: 50 }) };
    const long = [1, 2, 3].map((i) => site(`step${i}`, 30, { file: `src/${'deep/'.repeat(20)}agent.ts` }));
    const note = growthKinds(PID, all, CALM, long).note;
    expect(note.length).toBeLessThanOrEqual(400);
    expect(growthKinds(PID, facts({ heap: 120, rss: 162 }), CALM, long).note).toHaveLength(400);
    const short = growthKinds(PID, all, CALM, [site('agentStep', 84)]);
    expect(short.kinds.map(({ kind }) => kind)).toEqual(['native', 'heap', 'external', 'shared']);
    const [first = '', ...others] = short.kinds.map(({ words }) => words);
    const begun = `${first.charAt(0).toUpperCase()}${first.slice(1)}`;
    expect(short.note).toBe(`${[begun, ...others].join('; ')}.`);
    expect(note.startsWith(begun)).toBe(true);
  });
});

it('takes names and paths from the agent as text of bounded length, whatever is in them', () => {
  const hostile = '\u001b[31m\n'.repeat(10_000);
  const { name, file, package: from } = plainSite(site(hostile, 1, { file: hostile, package: hostile }));
  for (const text of [name, file, from]) {
    expect(text).not.toMatch(/\p{Cc}/u);
    expect(text?.length).toBeLessThan(250);
  }
  expect(plainSite(site('agentStep', 1))).toEqual(site('agentStep', 1));
});
