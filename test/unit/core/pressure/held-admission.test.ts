import { describe, expect, test } from 'vitest';
import type { GateMemory } from '../../../../src/core/pressure/gate/memory-room.ts';
import { HeldAdmission } from '../../../../src/core/pressure/held-admission.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const MIB = 2 ** 20;

function story(known: boolean) {
  const clock = new FakeClock();
  const agent = {
    inFlight: known ? (0 as number | null) : null,
    usedMiB: 196,
    closedSeconds: null as number | null,
  };
  const answers: string[] = [];
  const memory = (): GateMemory => ({
    uses: [{ usedBytes: agent.usedMiB * MIB, limitBytes: 200 * MIB }],
    ...{ shedRatio: 0.85, criticalRatio: 0.92 },
  });
  const admission = new HeldAdmission({
    ...{ clock, memory },
    inFlight: async () => agent.inFlight,
    closedSeconds: () => agent.closedSeconds,
  });
  let count = 0;
  return {
    ...{ clock, agent, answers },
    ask(maxWaitMs = 10_000) {
      const id = count++;
      return admission.wait({
        ...{ weight: 1, maxWaitMs },
        answer: (admitted, seconds) =>
          void answers.push(admitted ? `${id} admitted` : `${id} after ${seconds}`),
      });
    },
  };
}

describe('a proxy that waits', () => {
  test('is answered one after the other near the limit, as the agent ends its requests', async () => {
    const { clock, agent, answers, ask } = story(true);
    for (let i = 0; i < 3; i++) ask();
    expect(answers).toEqual(['0 admitted']);
    agent.inFlight = 1;
    await clock.advance(2000);
    expect(answers).toEqual(['0 admitted']);
    agent.inFlight = 0;
    await clock.advance(200);
    expect(answers).toEqual(['0 admitted', '1 admitted']);
    await clock.advance(1000); // it is not on its way to the agent any more
    expect(answers).toEqual(['0 admitted', '1 admitted', '2 admitted']);
  });

  test('is answered after a while where nobody knows what is in flight', async () => {
    const { clock, answers, ask } = story(false);
    for (let i = 0; i < 3; i++) ask();
    await clock.advance(1900);
    expect(answers).toHaveLength(1);
    await clock.advance(2300);
    expect(answers).toHaveLength(3);
  });

  test('is refused after its own time, also behind one that waits for longer', async () => {
    const { clock, agent, answers, ask } = story(true);
    agent.inFlight = 1;
    ask();
    ask(20_000);
    ask(1000);
    await clock.advance(1100);
    expect(answers).toEqual(['0 admitted', expect.stringMatching(/^2 after \d+$/)]);
    await clock.advance(19_000);
    expect(answers.slice(2)).toEqual([expect.stringMatching(/^1 after \d+$/)]);
  });

  test('is refused after its time, and at once while nothing is admitted', async () => {
    const { clock, agent, answers, ask } = story(true);
    agent.inFlight = 1;
    ask();
    ask(2000);
    await clock.advance(2100);
    expect(answers).toEqual(['0 admitted', expect.stringMatching(/^1 after \d+$/)]);
    ask();
    agent.closedSeconds = 7;
    await clock.advance(100);
    ask();
    expect(answers.slice(2)).toEqual(['2 after 7', '3 after 7']);
    agent.closedSeconds = null;
  });

  test('and leaves, hears nothing more', async () => {
    const { clock, agent, answers, ask } = story(true);
    ask();
    const leave = ask();
    leave();
    leave();
    agent.inFlight = 0;
    await clock.advance(20_000);
    expect(answers).toEqual(['0 admitted']);
  });

  test('has company in plenty of memory', () => {
    const { agent, answers, ask } = story(true);
    agent.usedMiB = 20;
    for (let i = 0; i < 4; i++) ask();
    expect(answers).toEqual(['0 admitted', '1 admitted', '2 admitted', '3 admitted']);
  });
});
