import { describe, expect, it } from 'vitest';
import { NO_OUTLOOK } from '../../../src/core/model/outlook.ts';
import type { Situation } from '../../../src/core/ports/ports.ts';
import type { ClientConnections } from '../../../src/core/proc/client-connections.ts';
import { InFlightMonitor } from '../../../src/remedies/in-flight-monitor.ts';
import { RuntimeConnection } from '../../../src/remedies/runtime-connection.ts';
import { SessionContext } from '../../../src/remedies/session-context.ts';
import type { SessionDeps } from '../../../src/remedies/session-deps.ts';
import { FakeAgent } from '../../support/fake-agent.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeRuntimeClient } from '../../support/fake-runtime-client.ts';
import { readingOf } from '../../support/reading.ts';

const UNKNOWN: ClientConnections = { total: null, accepted: new Map(), costMs: 0 };

/** An agent, pid 7, with a runtime that can be asked, and what is seen of its connections. */
async function watched(connections: SessionDeps['connections']) {
  const clock = new FakeClock();
  const agent = new FakeAgent();
  const present = new SessionContext(agent);
  const client = new FakeRuntimeClient(clock, agent);
  const hand = new RuntimeConnection(present, { clock, connect: async () => client }, () => true);
  await hand.open();
  const work = new InFlightMonitor(present, hand, {
    clock,
    connections,
    hooks: { of: () => undefined, requests: () => null },
  });
  const attend = (pids: number[] = [7], ready = true) => {
    const situation: Situation = {
      agent,
      nowMs: clock.nowMs,
      level: 'shedding',
      outlook: NO_OUTLOOK,
      reading: readingOf(480),
      risingSeconds: 0,
      processes: [],
      pids,
      cpuCores: null,
      ready,
      stuck: false,
    };
    present.attend(situation);
    work.attend(situation);
    return work.counting;
  };
  return { clock, agent, client, work, attend };
}

describe('WorkWatch', () => {
  it('takes what the runtime says for its own process alone, and connections for the others', async () => {
    const { agent, attend, work } = await watched(async () => ({
      total: 5,
      accepted: new Map([
        [7, 2],
        [8, 2], // and one waits
      ]),
      costMs: 0,
    }));
    agent.inFlight = 1; // the other connection is only kept open
    await attend();
    expect(work.inFlight).toBe(4);
    agent.inFlight = null;
    await attend();
    expect(await work.count()).toBe(5);
  });

  it('does not take the word of the runtime where nothing can be counted: it knows no queue', async () => {
    const { agent, attend, work, client } = await watched(async () => UNKNOWN);
    agent.inFlight = 0;
    await attend();
    expect(work.inFlight).toBeNull();
    expect(client.times('inFlight')).toBe(0);
  });

  it('counts over all processes of the agent, its main process first', async () => {
    const asked: (readonly number[])[] = [];
    const { attend } = await watched(async (pids) => {
      asked.push(pids);
      return UNKNOWN;
    });
    const children = Array.from({ length: 25 }, (_, i) => 100 + i);
    await attend([...children, 7]);
    expect(asked).toEqual([[7, ...children]]);
  });

  it('counts the more rarely, the more it costs', async () => {
    let counts = 0;
    const { clock, attend, work } = await watched(async () => {
      counts++;
      return { total: 3, accepted: new Map(), costMs: 60 };
    });
    for (; clock.nowMs < 30_000; clock.nowMs += 5) await attend();
    expect(counts).toBe(5);
    const before = counts;
    for (const end = clock.nowMs + 3000; clock.nowMs < end; clock.nowMs += 20)
      expect(await work.count()).toBe(3); // for the seconds in which the agent is drained, as often as each 600 ms
    expect(counts - before).toBe(5);
    const whileReady = counts;
    for (const end = clock.nowMs + 3000; clock.nowMs < end; clock.nowMs += 5) await attend([7], false);
    expect(counts - whileReady, 'un-ready, its end is waited for').toBe(5);
  });
});
