import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../src/core/lib/errors.ts';
import type { AgentHook } from '../../src/core/ports/agent-hook.ts';
import type { FakeRuntimeClient } from '../support/fake-runtime-client.ts';
import { type Story, startStory } from '../support/story.ts';

const sigterms = (story: Story) => story.agent.signals.filter((signal) => signal.startsWith('SIGTERM'));

/** Each request holds 2 MiB of 512 while it runs, which is garbage after it. */
const HELD_MIB = 2;
const REST_MIB = 40;
/** The gate lets as many in. */
const FIT = 178;

/**
 * More and more users come, as many as fit; while the agent is un-ready or drained none do, and what is in flight ends, by default within a second.
 * @param keeps in MiB, for good, by so many requests that have ended
 */
async function rush({
  hooked,
  keeps = () => 0,
  endsInSeconds = 1,
  collectMs = 100,
}: {
  hooked: boolean;
  keeps?: (ended: number) => number;
  endsInSeconds?: number;
  collectMs?: number;
}) {
  const story = startStory({ options: { profile: 'off' }, mode: { alone: true } });
  story.prepare = ({ takesMs }) => {
    takesMs.collect = collectMs;
  };
  const { agent } = story;
  agent.waiting = 0;
  let [running, ended, drained] = [0, 0, false];
  await story.goes(90, (second) => {
    if (!agent.alive()) return;
    const drains = story.remediation.draining() !== null;
    drained ||= drains;
    const most = drains || !story.judge.ready ? 0 : Math.min(FIT, 4 + 9 * Math.max(0, second - 8));
    const before = running;
    running = Math.max(most, running - FIT / 20 / endsInSeconds);
    const gone = Math.max(0, before - running) + running / 20;
    ended += gone;
    agent.inFlight = Math.round(running);
    agent.waiting = most > 0 && most < FIT ? 0 : 20;
    agent.garbageMiB += Math.max(0, before - running) * HELD_MIB; // what follows another takes its place
    agent.liveMiB = REST_MIB + running * HELD_MIB + keeps(ended);
    story.hook = hooked ? hook(story) : undefined;
  });
  return { story, drained };
}

function hook({ agent }: Story): AgentHook {
  const { inFlight, waiting } = agent;
  const state: AgentHook['state'] = {
    ...{
      type: 'state',
      inFlight: inFlight ?? 0,
      waiting: waiting ?? 0,
      waitMs: 0,
      endsInMs: 1000,
      refused: 0,
    },
    ...{ sigterm: true, lateMs: 0, servers: 1, admittedPerSecond: 50 },
    heap: { usedBytes: 0, limitBytes: 4 * 2 ** 30 },
  };
  return {
    pid: agent.info.pid,
    open: true,
    state,
    ask: async () => state,
    inspect: () => {
      throw new Error('a fake');
    },
    send() {},
  };
}

/** Grows by so many MiB a second for good with ten in flight, which end within a second or four once it is drained, and meets its limit in the end. */
async function leak(
  { perSecond, limitMiB, eachMs }: { perSecond: number; limitMiB: number; eachMs: number },
  drained: (client: FakeRuntimeClient) => void,
) {
  const story = startStory({ options: { profile: 'off' }, mode: { alone: true } });
  const { agent } = story;
  agent.waiting = 0;
  agent.inFlight = 10;
  agent.limitMiB = limitMiB;
  agent.liveMiB = limitMiB / 2;
  await story.goes(20);
  let drainedMs: number | null = null;
  await story.goes(150, () => {
    if (!agent.alive()) return;
    const nowMs = story.clock.now();
    drainedMs = story.remediation.draining() === null ? null : (drainedMs ?? nowMs);
    agent.inFlight = drainedMs === null ? 10 : Math.max(0, 10 - Math.floor((nowMs - drainedMs) / eachMs));
    agent.waiting = drainedMs === null ? 5 : 0;
    if (drainedMs !== null) for (const client of story.clients) drained(client);
    agent.liveMiB += perSecond / 20;
    if (agent.heldMiB >= agent.limitMiB) agent.dies({ exitCode: null, signal: 'SIGKILL' });
  });
  return story;
}

describe('an agent that is drained while it grows on', () => {
  it.each([
    ['does not answer', new SpillwayError('timeout', 'late', { retryable: true })],
    ['refuses', new SpillwayError('refused', 'busy', { retryable: true })],
  ])('is ended within seconds where its runtime %s any more', async (_what, fault) => {
    for (const eachMs of [100, 400]) {
      const story = await leak({ perSecond: 10, limitMiB: 512, eachMs }, ({ faults }) => {
        faults.facts = fault;
      });
      expect(sigterms(story)).toHaveLength(1);
      expect(story.exporters.recycled).toEqual(['ended']);
    }
  });

  it('is ended before the kill that leaves no time for a collection', async () => {
    for (const limitMiB of [512, 2048])
      for (const collectMs of [100, 4000]) {
        const setting = { perSecond: 0.07 * limitMiB, limitMiB, eachMs: 100 };
        const story = await leak(setting, ({ takesMs }) => {
          takesMs.collect = collectMs;
        });
        expect(sigterms(story), `${limitMiB} MiB, ${collectMs} ms`).toHaveLength(1);
      }
  });
});

describe('an agent that is full of what its requests hold', () => {
  it('is not even drained where a hook tells how many are in flight', async () => {
    const { story, drained } = await rush({ hooked: true });
    expect(drained).toBe(false);
    expect(sigterms(story)).toEqual([]);
  });

  it('is not ended where none does: a collection after its work has ended frees what that held', async () => {
    const { story, drained } = await rush({ hooked: false });
    expect(drained, 'else this shows nothing').toBe(true);
    expect(sigterms(story)).toEqual([]);
    expect(story.exporters.recycled).not.toContain('ended');
  });

  it('is not ended either where its collections take so long that they wait until all work has ended', async () => {
    for (const setting of [
      { endsInSeconds: 6, collectMs: 900 },
      { endsInSeconds: 6, collectMs: 3000 },
      { endsInSeconds: 3, collectMs: 3000 },
    ]) {
      const { story, drained } = await rush({ hooked: false, ...setting });
      expect(drained, 'else this shows nothing').toBe(true);
      expect(sigterms(story), JSON.stringify(setting)).toEqual([]);
      expect(story.unreadyMs).toBeLessThan(10_000);
    }
  });

  it('is ended where that frees too little, as something else grows beside', async () => {
    const { story } = await rush({ hooked: true, keeps: (ended) => 0.06 * ended });
    expect(sigterms(story)).toHaveLength(1);
  });
});
