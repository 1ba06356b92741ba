import { expect, test } from 'vitest';
import { RequestCost } from '../../../../src/core/pressure/gate/request-cost.ts';

const MB = 1e6;
const KIND = 'POST /chat';
const ENDED = { request: { kind: KIND, heldBytes: 0, admit() {}, refuse() {} }, weight: 1, besideCount: 0 };

function known(): RequestCost {
  const cost = new RequestCost();
  for (let i = 0; i < 40; i++) {
    cost.learn(ENDED, { grownBytes: 20 * MB, started: 20 });
    cost.follow({ atMs: 50 * i, usedBytes: 100 * MB, inFlight: 5 }, 120 * MB);
  }
  expect(cost.of(KIND) / MB).toBeCloseTo(1);
  return cost;
}

const endAtOnce = (cost: RequestCost, count: number, grownBytes: number) => {
  for (let i = 0; i < count; i++) cost.learn(ENDED, { grownBytes, started: 20 });
  cost.follow({ atMs: 5000, usedBytes: 100 * MB, inFlight: 5 }, 120 * MB);
};

test('a hundred that end at one look at memory, and saw one collection, tell one thing', () => {
  const [one, hundred] = [known(), known()];
  endAtOnce(one, 1, 0);
  endAtOnce(hundred, 100, 0);
  expect(hundred.of(KIND)).toBeCloseTo(one.of(KIND));
  expect(hundred.ofAny).toBeCloseTo(one.ofAny);
});

test('a heavy one among them is not lost', () => {
  const cost = known();
  for (let i = 0; i < 20; i++) cost.learn(ENDED, { grownBytes: 0, started: 20 });
  endAtOnce(cost, 1, 400 * MB);
  expect(cost.of(KIND)).toBeGreaterThan(10 * MB);
});

test('the heaviest of a kind counts while memory has room, and is forgotten in time and by what follows it', () => {
  const ofKind = (used: number, { followedBy = 0, ms = 0 } = {}) => {
    const cost = known();
    cost.learn(ENDED, { grownBytes: 400 * MB, started: 20 });
    for (let i = 0; i < followedBy; i++) cost.learn(ENDED, { grownBytes: 20 * MB, started: 20 });
    for (let i = 0; i < 60; i++) {
      cost.learn(ENDED, { grownBytes: 20 * MB, started: 20 });
      cost.follow({ atMs: 2000 + i, usedBytes: used * MB, inFlight: 5 }, 1000 * MB);
    }
    cost.follow({ atMs: 2060 + ms, usedBytes: used * MB, inFlight: 5 }, 1000 * MB);
    return cost.of(KIND) / MB;
  };
  expect(ofKind(600)).toBeGreaterThan(10);
  expect(ofKind(700)).toBeLessThan(2);
  expect(ofKind(600, { ms: 16_000 })).toBeLessThan(5);
  expect(ofKind(600, { followedBy: 256 })).toBeLessThan(5);
});
