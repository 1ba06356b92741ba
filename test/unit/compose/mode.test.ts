import { expect, it } from 'vitest';
import { modeOf } from '../../../src/compose/machine.ts';

it.each([
  ['auto', true, true],
  ['auto', undefined, undefined],
  ['one', undefined, true],
  ['many', true, false],
] as const)('with the option replicas: %s, in a mode whose own answer is %s, no other replica could take the work: %s', (replicas, alone, expected) => {
  const mode = { restarted: true, sameFiles: false, ...(alone !== undefined && { alone }) };
  expect(modeOf(mode, { replicas }).alone).toBe(expected);
});
