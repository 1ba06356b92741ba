import { expect, it } from 'vitest';
import { nextMovement, rests, rises, UNMOVED } from '../../../../src/core/lib/movement.ts';

it('tells rises and falls from noise, against where it last moved to', () => {
  let state = nextMovement(UNMOVED, 100, 10, 0);
  expect(rises(state, 0, 1000)).toBe(false);
  const first = state;
  for (const [ms, value] of [
    [100, 109],
    [200, 91],
    [300, 110],
  ] as const)
    state = nextMovement(state, value, 10, ms);
  expect(state).toBe(first);
  expect(rests(state, 300, 300)).toBe(true);
  state = nextMovement(state, 111, 10, 400);
  expect([rests(state, 400, 1), rises(state, 499, 100), rises(state, 500, 100)]).toEqual([
    false,
    true,
    false,
  ]);
  state = nextMovement(state, 100, 10, 600);
  expect([rests(state, 699, 100), rests(state, 700, 100), rises(state, 600, 200)]).toEqual([
    false,
    true,
    false,
  ]);
});
