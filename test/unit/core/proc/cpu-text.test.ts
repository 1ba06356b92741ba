import { describe, expect, it } from 'vitest';
import { allowedCpus, parseCpuMax, quotaOf } from '../../../../src/core/proc/cpu-text.ts';

describe('a CPU quota', () => {
  it('is a share of a period, on v2 and v1 alike', () => {
    const quota = { cores: 1.5, periodMs: 100 };
    expect(parseCpuMax('150000 100000\n')).toEqual(quota);
    expect(quotaOf(150_000, 100_000)).toEqual(quota);
  });
  it.each(['max 100000\n', '', 'nonsense', '0 100000'])('is none in %j', (text) => {
    expect(parseCpuMax(text)).toBeNull();
  });
  it('is none of -1, as v1 says it', () => expect(quotaOf(-1, 100_000)).toBeNull());
});

it.each([
  ['0-1', 2],
  ['0-3,8', 5],
  ['7', 1],
  ['0-3,8-11,15', 9],
])('CPUs allowed: %s', (list, count) => {
  expect(allowedCpus(`Cpus_allowed:\tffff\nCpus_allowed_list:\t${list}\nMems_allowed:\t1\n`)).toBe(count);
});
it('says nothing of CPUs where the kernel does not', () => expect(allowedCpus('Name:\tx\n')).toBeNull());
