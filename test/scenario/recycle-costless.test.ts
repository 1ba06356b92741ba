import { describe, expect, it } from 'vitest';
import { FakeAgent } from '../support/fake-agent.ts';
import { drawn, type KINDS, live } from '../support/recycle-draws.ts';
import { type Story, type StorySetup, startStory } from '../support/story.ts';

const SIGTERM = ['SIGTERM to 7'];
const sigterms = (story: Story) => story.agent.signals.filter((signal) => signal.startsWith('SIGTERM'));

/** An agent whose requests keep 12 MiB a second while it is ready, from 120 of 512; until it is ended, or the time is over. */
async function serves(seconds: number, setup: StorySetup = {}, handles = true) {
  const story = startStory({ ...setup, options: { profile: 'off', ...setup.options } });
  const { agent } = story;
  agent.handlesSigterm = handles;
  story.prepare = (client) => {
    client.sigterm = handles;
  };
  agent.liveMiB = 100;
  await story.goes(10);
  for (let i = 0; i < seconds * 20 && agent.alive(); i++) {
    const working = story.judge.ready;
    agent.inFlight = working ? 3 + (i % 3) : 0;
    agent.cpuCores = working ? 0.5 : 0.01;
    if (working) agent.liveMiB += 12 / 20;
    await story.goes(0.05);
  }
  await story.goes(1);
  return story;
}

describe('an agent whose requests keep memory', () => {
  it.each([true, false])('is ended un-ready and drained, with a SIGTERM handler: %s', async (handles) => {
    const story = await serves(60, {}, handles);
    expect(story.agent.signals).toEqual(SIGTERM);
    expect(story.notes('AgentStuck')).toEqual([]);
    expect(story.exporters.recycled).toEqual(['ended']);
    expect(story.unreadyMs).toBeLessThan(6_000);
  });

  it('is left alone where nobody is known to start it again', async () => {
    expect(sigterms(await serves(40, { mode: { restarted: null } }))).toEqual([]);
  });

  it('without a SIGTERM handler keeps its work until that has ended', async () => {
    const story = startStory({ options: { profile: 'off' } });
    const { agent } = story;
    story.prepare = (client) => {
      client.sigterm = false;
    };
    agent.inFlight = 2;
    await story.goes(20);
    agent.liveMiB = 280;
    for (let i = 0; i < 1200 && agent.heldMiB < agent.limitMiB - 2; i++) {
      agent.liveMiB += 0.2;
      await story.goes(0.05);
    }
    expect(agent.signals).toEqual([]);
  });
});

describe('an agent that rests high after a burst', () => {
  /** 0.88 after 2 s, a request now and then. */
  async function rests(setup: StorySetup = {}) {
    const story = startStory(setup);
    await story.goes(10);
    await story.goes(120, (second) => {
      story.agent.inFlight = second < 2 ? 6 : second % 1 < 0.2 ? 1 : 0;
      story.agent.heldMiB = 100 + 350 * Math.min(1, second / 2);
    });
    return story;
  }

  it('is never ended', async () => {
    expect(sigterms(await rests())).toEqual([]);
  });

  it('stays ready where no other replica could take its work', async () => {
    const [alone, other] = [await rests({ mode: { alone: true } }), await rests()];
    expect(alone.unreadyMs).toBeLessThanOrEqual(other.unreadyMs);
    expect(alone.judge.ready).toBe(true);
  });
});

describe('agents drawn at random', () => {
  const fates = (kind: (typeof KINDS)[number], count = 3) =>
    Array.from({ length: count }, (_, i) => live(drawn(kind, i + 1), i + 1, { seconds: 200 }).end);

  it.each(['flat', 'garbage', 'burst'] as const)('%s: none is ended', (kind) => {
    expect(fates(kind)).toEqual(['lives', 'lives', 'lives']);
  });

  it.each(['grows', 'spikes'] as const)('%s: none is killed', (kind) => {
    expect(fates(kind)).not.toContain('killed');
  });
});

describe('the next life', () => {
  it('begins anew: what the one before has kept is not its growth', async () => {
    const next = new FakeAgent(8);
    const story = startStory({ options: { profile: 'off' } });
    story.restarts(next);
    story.agent.liveMiB = 100;
    await story.goes(10);
    for (let i = 0; i < 1200 && story.agent.info.pid === 7; i++) {
      const working = story.judge.ready;
      story.agent.inFlight = working ? 4 : 0;
      if (working) story.agent.liveMiB += 0.6;
      await story.goes(0.05);
    }
    next.liveMiB = 430;
    await story.goes(60);
    expect(next.signals).toEqual([]);
  });
});
