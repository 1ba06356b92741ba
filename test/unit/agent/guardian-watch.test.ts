import { expect, it } from 'vitest';
import { GuardianWatch } from '../../../src/agent/hook/guardian-watch.ts';

/** Looks each 50 ms while requests wait: what the last one says. */
function looks(watch: GuardianWatch, fromMs: number, toMs: number): boolean {
  let hung = false;
  for (let ms = fromMs; ms <= toMs; ms += 50) hung = watch.isHung(ms, true);
  return hung;
}

it('takes a guardian for hung that says nothing while requests wait, and no longer than that', () => {
  const watch = new GuardianWatch();
  watch.hear(0);
  expect(watch.isHung(100_000, false)).toBe(false);
  expect(looks(watch, 100_000, 102_400)).toBe(false);
  expect(looks(watch, 102_450, 102_600)).toBe(true);
  watch.hear(102_610);
  expect(looks(watch, 102_650, 105_000)).toBe(false);
});

it('blames nobody for what this process has not read while it was blocked', () => {
  const watch = new GuardianWatch();
  let nowMs = 0;
  for (let block = 0; block < 5; block++) {
    watch.hear(nowMs);
    expect(looks(watch, nowMs, nowMs + 1000)).toBe(false);
    nowMs += 61_000;
    expect(watch.isHung(nowMs, true)).toBe(false);
  }
});

it('finds that a guardian is hung also where each turn of the event loop takes long', () => {
  const watch = new GuardianWatch();
  watch.hear(0);
  let [nowMs, turns] = [0, 0];
  while (!watch.isHung(nowMs, true)) {
    nowMs += 700;
    turns++;
  }
  expect(turns).toBe(5);
});
