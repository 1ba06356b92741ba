import { expect, it } from 'vitest';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import { RuntimeConnection } from '../../../src/remedies/runtime-connection.ts';
import { SessionContext } from '../../../src/remedies/session-context.ts';
import { FakeAgent } from '../../support/fake-agent.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { startStory } from '../../support/story.ts';

const REFUSAL = new SpillwayError('refused', 'the inspector cannot be opened');

it('reaches into another process at once when the one before has refused', async () => {
  const story = await startStory({ options: { recycle: 'off' } }).goes(20);
  story.prepare = (client) => {
    if (story.agent.worker.pid === 7) client.faults.facts = REFUSAL;
  };
  story.agent.liveMiB = 430;
  await story.goes(3);
  expect(story.client.times('facts')).toBe(1);
  story.agent.worker = { pid: 9, runtime: 'node' };
  await story.goes(1);
  expect(story.clients).toHaveLength(2);
  expect(story.client.times('facts')).toBeGreaterThan(0);
});

it('waits after the refusals of each process by itself', () => {
  const agent = new FakeAgent();
  const clock = new FakeClock();
  const hand = new RuntimeConnection(
    new SessionContext(agent),
    { clock, connect: async () => 'none' },
    () => true,
  );
  for (let i = 0; i < 5; i++) hand.refused(REFUSAL);
  expect(hand.retryMs).toBe(480_000);
  agent.worker = { pid: 9, runtime: 'node' };
  expect(hand.retryMs).toBe(Number.NEGATIVE_INFINITY);
  expect(hand.refused(REFUSAL)).toBe(1);
  expect(hand.retryMs).toBe(30_000);
});
