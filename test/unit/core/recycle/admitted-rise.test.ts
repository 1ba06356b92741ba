import { expect, test } from 'vitest';
import { AdmittedRise } from '../../../../src/core/recycle/admitted-rise.ts';

interface Moment {
  heldBytes: number;
  running: number | null;
  waiting?: number | null;
}

/** What is believed of a rise of 8 s at each of these moments, 500 ms apart. */
function believed(moments: readonly Moment[]): number[] {
  const rise = new AdmittedRise();
  return moments.map(({ heldBytes, running, waiting = 5 }, i) =>
    rise.secondsBeyond({ nowMs: 60_000 + 500 * i, heldBytes, running, waiting, risingSeconds: 8 }),
  );
}

test('a rise by no more than has been admitted is believed from then on only', () => {
  expect(
    believed([
      { heldBytes: 190, running: 110 },
      { heldBytes: 225, running: 200 },
      { heldBytes: 228, running: 190 },
      { heldBytes: 240, running: 120 },
      { heldBytes: 241, running: 118 },
    ]),
  ).toEqual([8, 0, 0, 0.5, 1]);
});

test('a rise by more than that is believed', () => {
  const rise = [100, 150, 210].map((heldBytes, i) => ({ heldBytes, running: 100 + 20 * i }));
  expect(believed(rise)).toEqual([8, 8, 8]);
});

test.each([
  ['as many in flight', { running: 100, waiting: 5 }],
  ['no hook', { running: null, waiting: null }],
  ['no gate', { running: 100, waiting: null }],
])('and so is one with %s', (_, { running, waiting }) => {
  const more = running === null ? null : waiting === null ? running * 2 : running;
  expect(
    believed([
      { heldBytes: 100, running, waiting },
      { heldBytes: 110, running: more, waiting },
    ]),
  ).toEqual([8, 8]);
});

test('one request more is no wave, unless there were few', () => {
  expect(
    believed([
      { heldBytes: 100, running: 1 },
      { heldBytes: 110, running: 4 },
    ]),
  ).toEqual([8, 8]);
  expect(
    believed([
      { heldBytes: 100, running: 1 },
      { heldBytes: 110, running: 5 },
    ]),
  ).toEqual([8, 0]);
});

test('what no gate has held back, as WebSockets are not, is no wave', () => {
  expect(
    believed([
      { heldBytes: 100, running: 100, waiting: 0 },
      { heldBytes: 110, running: 200, waiting: 0 },
    ]),
  ).toEqual([8, 8]);
});

test('numbers in flight that swing hide no rise beneath them', () => {
  const rise = new AdmittedRise();
  let most = 0;
  for (let nowMs = 0; nowMs < 40_000; nowMs += 100) {
    const running = 12 + Math.round(4 * Math.sin(nowMs / 300));
    const risingSeconds = nowMs / 1000;
    const at = { nowMs, heldBytes: 700 + 4 * risingSeconds, running, waiting: 5, risingSeconds };
    most = Math.max(most, rise.secondsBeyond(at));
  }
  expect(most).toBeGreaterThan(30);
});

test('another life knows nothing of the one before', () => {
  const rise = new AdmittedRise();
  const at = (nowMs: number, running: number) =>
    rise.secondsBeyond({ nowMs, heldBytes: 100 + running, running, waiting: 5, risingSeconds: 8 });
  at(0, 100);
  at(500, 200);
  rise.reset();
  expect(at(1000, 300)).toBe(8);
});
