import { expect, it } from 'vitest';
import type { GcRecord } from '../../../../src/core/model/gc-record.ts';
import { DEFAULT_JUDGEMENT } from '../../../../src/core/pressure/judge.ts';
import { COLLECTIONS, historyReport, withCollection } from '../../../../src/core/report/history-report.ts';
import type { PostMortem } from '../../../../src/core/report/post-mortem.ts';

it('tells with the readings what it takes to explain them, and deaths without theirs', () => {
  const death = { id: 'a', at: 't', cause: 'oom-killed', reason: 'r', readings: [{}], processes: [] };
  const history = { readings: [], transitions: [] };
  expect(
    historyReport({
      history,
      thresholds: DEFAULT_JUDGEMENT,
      collections: [],
      postMortems: [death as unknown as PostMortem],
      version: '1.2.3',
    }),
  ).toEqual({
    ...history,
    thresholds: { warnRatio: 0.75, shedRatio: 0.85, criticalRatio: 0.92, recoverMargin: 0.05 },
    collections: [],
    deaths: [{ id: 'a', at: 't', cause: 'oom-killed', reason: 'r' }],
    guardian: { version: '1.2.3' },
  });
});

it('keeps the last collections, newest first', () => {
  let collections: readonly GcRecord[] = [];
  for (let i = 0; i <= COLLECTIONS; i++)
    collections = withCollection(collections, { at: String(i) } as GcRecord);
  expect(collections.map(({ at }) => Number(at))).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});
