import { expect, it } from 'vitest';
import { askedWaitMs } from '../../../../src/core/lib/http-retry-after.ts';

const NOW = Date.parse('2026-01-02T03:04:05.000Z');
/** The server's clock is ten seconds behind. */
const DATE = 'Fri, 02 Jan 2026 03:03:55 GMT';

it.each([
  [{}, undefined],
  [{ 'retry-after': '' }, undefined],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': ' 7 ' }, 7000],
  [{ 'retry-after': 'Fri, 02 Jan 2026 03:04:35 GMT' }, 30_000],
  [{ 'retry-after': 'Fri, 02 Jan 2026 03:04:35 GMT', date: DATE }, 40_000],
  [{ 'retry-after': 'Fri, 02 Jan 2026 03:04:35 GMT', date: 'today' }, 30_000],
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:00 GMT', date: DATE }, 0],
])('reads %j as %s ms', (headers, expected) => {
  expect(askedWaitMs(headers, NOW)).toBe(expected);
});
