import { expect, it } from 'vitest';
import { ChangeCount } from '../../../../src/core/report/change-count.ts';

it('counts up when a value is another, or there are more or fewer of them', () => {
  const changes = new ChangeCount();
  const record = {};
  const counts = [
    ['ok', record],
    ['ok', record],
    ['ok', {}],
    ['warning', record],
    ['warning', record, 'advice'],
    ['warning', record],
    ['warning', record],
  ].map((values) => changes.of(values));
  expect(counts).toEqual([1, 1, 2, 3, 4, 5, 5]);
});
