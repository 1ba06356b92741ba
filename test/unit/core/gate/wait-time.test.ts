import { expect, test } from 'vitest';
import type { GateEntry } from '../../../../src/core/pressure/gate/entry.ts';
import { Gate } from '../../../../src/core/pressure/gate/gate.ts';

const MIB = 2 ** 20;
const MEMORY = {
  uses: [{ usedBytes: 100 * MIB, limitBytes: 200 * MIB }],
  ...{ shedRatio: 0.85, criticalRatio: 0.92 },
} as const;

const request = (more: { kind: string; lastingMs?: number }) => ({
  ...more,
  ...{ heldBytes: 0, admit() {}, refuse() {} },
});

test('a stream of ten minutes that has ended makes nobody wait for longer', () => {
  const gate = new Gate();
  let now = 0;
  const look = () => gate.observe(MEMORY, now);
  const chat = () => gate.enter(request({ kind: 'POST /chat' }), now);
  look();
  const streams: GateEntry[] = [];
  for (let i = 0; i < 2; i++)
    streams.push(gate.enter(request({ kind: 'GET /events', lastingMs: 2000 }), now));
  for (; now < 600_000; ) {
    const one = chat();
    now += 500;
    look();
    gate.leave(one, now);
  }
  const [ended] = streams;
  if (ended) gate.leave(ended, now);
  for (let i = 0; i < 100 && gate.waiting === 0; i++) gate.enter(request({ kind: `POST /${i}` }), now);
  expect(gate.waiting).toBe(1);
  now += 3000;
  expect(gate.waitMs(now)).toBeLessThan(4000);
});

test('where few wait, a wait is borne out by who has waited: where memory has room the next starts before long requests end', () => {
  const gate = new Gate();
  gate.observe(MEMORY, 0);
  const first = gate.enter(request({ kind: 'POST /chat' }), 0);
  gate.observe(MEMORY, 60_000);
  gate.leave(first, 60_000);
  for (let i = 0; i < 100 && gate.waiting === 0; i++) gate.enter(request({ kind: `POST /${i}` }), 60_000);
  expect(gate.waiting).toBe(1);
  const waits = [60_000, 61_000, 61_900, 62_100, 64_000].map((nowMs) => gate.waitMs(nowMs));
  expect(waits).toEqual([0, 3500, 6650, 7350, 14_000]);
  for (let i = 0; i < gate.inFlight; i++) gate.enter(request({ kind: 'POST /more' }), 64_000);
  expect(gate.waitMs(64_000)).toBe((30_000 * (gate.waiting + 1)) / gate.inFlight);
});
