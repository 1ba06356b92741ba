import { describe, expect, it } from 'vitest';
import { CareStory, type CareStoryOptions, StoryAgent } from '../support/care-story.ts';

/** An agent at critical with nothing to collect: ended in order when that has stood for a while. */
async function stuck(options: CareStoryOptions = {}, prepare: (story: CareStory) => void = () => {}) {
  const story = await new CareStory({ recycle: 'auto', ...options }).goes(20);
  prepare(story);
  story.agent.liveMiB = 455;
  return story;
}

/** Until SIGTERM, or for so many seconds. */
async function untilSigterm(story: CareStory, seconds = 40): Promise<CareStory> {
  for (let i = 0; i < seconds * 20 && story.agent.signals.length === 0; i++) await story.goes(0.05);
  return story;
}

describe('a hopeless agent', () => {
  it('is closed, drained, ended and told of; the next life starts open', async () => {
    const story = await stuck();
    const [agent] = [story.agent];
    story.restarts(new StoryAgent(8));
    let closedMs = 0;
    for (let i = 0; i < 800 && agent.signals.length === 0; i++) {
      await story.goes(0.05);
      if (story.guardian.status().recycling) closedMs ||= story.clock.now();
    }
    expect(closedMs).toBeGreaterThan(0);
    expect(story.clock.now() - closedMs, 'a balancer needs a second to notice').toBeGreaterThanOrEqual(1200);
    await story.goes(1);
    expect(agent.signals).toEqual(['SIGTERM']);
    expect(story.recycled).toEqual(['ended']);
    expect(story.notes('AgentRecycled')).toHaveLength(1);
    expect(story.notes('AgentRecycled')[0]).toMatch(/^Recycled: .*; it ended .* after SIGTERM\.$/);
    expect(story.guardian.status()).toMatchObject({
      ready: true,
      recycling: false,
      level: 'ok',
      agent: { pid: 8 },
    });
  });

  it('keeps its work until that has ended', async () => {
    const story = await stuck();
    story.agent.inFlight = 2;
    for (let i = 0; i < 800 && !story.guardian.status().recycling; i++) await story.goes(0.05);
    expect(story.guardian.status()).toMatchObject({ recycling: true, ready: false });
    await story.goes(5);
    expect(story.agent.signals).toEqual([]);
    story.agent.inFlight = 0;
    await story.goes(1);
    expect(story.agent.signals).toEqual(['SIGTERM']);
  });

  it('goes on when its work ends and gives the memory back', async () => {
    const story = await stuck();
    story.agent.inFlight = 2;
    for (let i = 0; i < 800 && !story.guardian.status().recycling; i++) await story.goes(0.05);
    await story.goes(1);
    story.agent.inFlight = 0;
    story.agent.liveMiB = 60;
    await story.goes(0.2);
    expect(story.recycled).toEqual(['called off']);
    expect(story.guardian.status().recycling).toBe(false);
    await story.goes(60);
    expect(story.agent.signals).toEqual([]);
    expect(story.guardian.status()).toMatchObject({ level: 'ok', ready: true });
  });

  it('stays closed while nothing can be read', async () => {
    const story = await stuck();
    story.agent.inFlight = 2;
    for (let i = 0; i < 800 && !story.guardian.status().recycling; i++) await story.goes(0.05);
    story.agent.read = () => {
      throw new Error('EIO');
    };
    await story.goes(3);
    expect(story.guardian.status()).toMatchObject({ blind: true, ready: false, recycling: true });
  });

  it('that dies by itself while drained is no recycle', async () => {
    const story = await stuck();
    story.agent.inFlight = 2;
    for (let i = 0; i < 800 && !story.guardian.status().recycling; i++) await story.goes(0.05);
    story.agent.dies({ exitCode: 1, signal: null });
    story.restarts(new StoryAgent(8));
    await story.goes(1);
    // whichever notices first, the drain or the loop
    expect(['called off', 'ended before']).toContain(story.recycled.join());
    expect(story.notes('AgentRecycled')).toEqual([]);
    expect(story.guardian.status()).toMatchObject({ ready: true, recycling: false });
  });

  it('that does not end is left alone: open again, and not asked again in this life', async () => {
    const story = await stuck({ graceMs: 5000 }, ({ agent }) => {
      agent.onSigterm = () => {};
    });
    await untilSigterm(story);
    await story.goes(6);
    expect(story.recycled).toEqual(['left alone']);
    expect(story.guardian.status().recycling).toBe(false);
    await story.goes(400);
    expect(story.agent.signals).toEqual(['SIGTERM']);
    expect(story.notes('AgentRecycled')).toHaveLength(1);
    expect(story.guardian.status().ready).toBe(true);
  });

  it('that must not be signalled is open again', async () => {
    const story = await stuck({}, ({ agent }) => {
      agent.onSigterm = () => {
        throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
      };
    });
    await untilSigterm(story);
    await story.goes(3);
    expect(story.recycled).toEqual(['refused']);
    expect(story.guardian.status()).toMatchObject({ recycling: false, ready: true });
  });

  it('is not shut out when ending it fails in a way nobody thought of', async () => {
    const story = await stuck({}, (it) => {
      it.onStart = () => {
        throw new Error('no such thing');
      };
    });
    await story.goes(60);
    expect(story.guardian.status()).toMatchObject({ recycling: false, ready: true });
    expect(story.logged.join()).toMatch(/cannot be recycled: no such thing/);
  });

  it('is not asked twice while it ends', async () => {
    const story = await stuck({}, ({ agent }) => {
      agent.onSigterm = () => {};
    });
    await untilSigterm(story);
    await story.goes(20);
    expect(story.agent.signals).toEqual(['SIGTERM']);
    expect(story.guardian.status()).toMatchObject({ recycling: true, ready: false });
  });

  it('is not said to have ended when it is the guardian that ends', async () => {
    const story = await stuck({}, ({ agent }) => {
      agent.onSigterm = () => {};
    });
    await untilSigterm(story);
    story.guardian.stop();
    const closed = story.relief.close();
    await story.goes(2);
    await closed;
    expect(story.notes('AgentRecycled')).toEqual([]);
    expect(story.recycled).toEqual([]);
  });
});

describe('no recycle', () => {
  it.each([
    ['off', { recycle: 'off' }],
    ['auto where nobody starts it again', { recycle: 'auto', restarted: false }],
  ] as const)('where it is %s', async (_name, options) => {
    const story = await stuck(options);
    await story.goes(60);
    expect(story.agent.signals).toEqual([]);
    expect(story.guardian.status().ready).toBe(true);
  });

  it('of an agent that does not catch SIGTERM, or whose SIGTERM another process would get', async () => {
    for (const other of [false, true]) {
      const story = await stuck({}, (it) => {
        it.prepare = (reach) => {
          reach.sigterm = other;
        };
        if (other) it.agent.worker = { pid: 9, runtime: 'node' };
      });
      await story.goes(60);
      expect(story.agent.signals).toEqual([]);
    }
  });

  it('of one that needs more than it has: told once, and left to serve what it can', async () => {
    const story = await stuck();
    let lives = 7;
    for (let second = 0; second < 200; second++) {
      if (!story.agent.alive()) {
        const next = new StoryAgent(++lives);
        next.liveMiB = 455;
        story.restarts(next);
      }
      await story.goes(1);
    }
    const ended = story.notes('AgentRecycled').length;
    expect(ended).toBeGreaterThanOrEqual(1);
    expect(ended).toBeLessThanOrEqual(3);
    const told = story.notes('AgentStuck').filter((note) => note.startsWith('Not recycled'));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/needs more memory than it has; raise its limit/);
    expect(story.guardian.status().ready).toBe(true);
  });
});
