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
  expect(gate.waitMs(now)).toBeLessThan(4000);
});
