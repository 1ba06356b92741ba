import { expect, it, vi } from 'vitest';
import { GcPlan } from '../../../src/core/gc/plan.ts';
import type { Situation } from '../../../src/core/ports/ports.ts';
import { takeSnapshot } from '../../../src/remedies/heap-snapshot.ts';
import { RuntimeConnection } from '../../../src/remedies/runtime-connection.ts';
import { SessionContext } from '../../../src/remedies/session-context.ts';
import { FakeAgent } from '../../support/fake-agent.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeRuntimeClient } from '../../support/fake-runtime-client.ts';
import { MiB, readingOf } from '../../support/reading.ts';

/** Asks for a snapshot of a heap of 60 MiB, which memory has room for; tells what was written. */
async function snapshotWith(onDisk: string, limitMiB = 512) {
  const clock = new FakeClock();
  const agent = new FakeAgent();
  const present = new SessionContext(agent);
  present.attend({ reading: readingOf(80, limitMiB) } as Situation);
  const snapshot = async (write: (chunk: string) => Promise<void>) => write('{}');
  const client = Object.assign(new FakeRuntimeClient(clock, agent), { snapshot });
  const connection = new RuntimeConnection(present, { clock, connect: async () => client }, () => true);
  const room = vi.fn(async () => onDisk);
  const written: string[] = [];
  const plan = new GcPlan({ stallBudgetShare: 0.1, warnRatio: 0.7 });
  const taken = takeSnapshot(
    { context: present, connection, plan, clock, stalled: () => {} },
    { room, write: async (chunk) => void written.push(chunk) },
  );
  const outcome = await taken.then(
    () => 'taken',
    (error: unknown) => error,
  );
  return { outcome, room, written };
}

it('is written where there is room for a heap of its size', async () => {
  const { outcome, room, written } = await snapshotWith('ok');
  expect(outcome).toBe('taken');
  expect(room).toHaveBeenCalledWith(60 * MiB);
  expect(written).toEqual(['{}']);
});

it.each([
  ['on a full disk', 'record-dir is full', 512, 'record-dir is full'],
  ['where memory has no room for it', 'ok', 256, '256 MiB'],
])('is not begun %s', async (_, onDisk, limitMiB, why) => {
  const { outcome, written } = await snapshotWith(onDisk, limitMiB);
  expect(outcome).toMatchObject({ code: 'unavailable', message: expect.stringContaining(why) });
  expect(written).toEqual([]);
});
