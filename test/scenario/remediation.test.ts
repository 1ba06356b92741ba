import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createAdminServer } from '../../src/adapters/admin-server.ts';
import { SpillwayError } from '../../src/core/lib/errors.ts';
import type { EventReason, Finding } from '../../src/core/model/events.ts';
import type { Remedy } from '../../src/core/ports/ports.ts';
import { FakeAgent } from '../support/fake-agent.ts';
import { startServer } from '../support/http-server.ts';
import { MiB } from '../support/reading.ts';
import { type Story, type StorySetup, startStory } from '../support/story.ts';

const refusal = (message = 'the inspector cannot be opened') =>
  new SpillwayError('refused', message, { hint: 'leave --disable-sigusr1 out' });
const late = () => new SpillwayError('timeout', 'the agent did not answer within 500 ms');

const TURNS_AWAY: ReadonlySet<EventReason> = new Set<EventReason>([
  'MemoryPressureShedding',
  'MemoryPressureCritical',
]);

let rejections: unknown[];
const onRejection = (error: unknown) => void rejections.push(error);
beforeEach(() => {
  rejections = [];
  process.on('unhandledRejection', onRejection);
});
afterEach(async () => {
  await new Promise(setImmediate);
  process.off('unhandledRejection', onRejection);
  expect(rejections).toEqual([]);
});

/** Past the first seconds, in which there is no stall budget yet. */
async function old(options: StorySetup['options'] = {}, agent = new FakeAgent()) {
  return startStory({ options: { recycle: 'off', ...options }, agent }).goes(20);
}

describe('a calm agent', () => {
  it('is not touched', async () => {
    const story = await old();
    expect(story.clients).toEqual([]);
    expect(story.exporters.events).toEqual([]);
  });
});

describe("the agent's processes", () => {
  it('are looked at within the first moment, however far apart readings are', async () => {
    const story = startStory({ options: { recycle: 'off', sampleMax: 10_000 } });
    await story.clock.advance(101);
    expect(story.view.status().processes).toBe(1);
  });
});

describe('an agent with nothing open', () => {
  const closed = async () => {
    const story = await old();
    story.agent.inspectorOpen = false;
    return story;
  };
  const isOpen = (story: Story) => story.clients.some(({ opened }) => opened);

  it('is left alone at rest at the warning level, and nothing is told of it', async () => {
    const story = await closed();
    await story.goes(300, () => {
      story.agent.liveMiB = Math.min(365, story.agent.liveMiB + 0.5);
    });
    expect(story.view.status()).toMatchObject({ level: 'warning', lastGc: null });
    expect(story.agent.signals, 'though the trend foresees a limit for a while after the rise').toEqual([]);
  });

  it('is left alone below it, however fast it grows', async () => {
    const story = await closed();
    for (const [from, to] of [
      [60, 360],
      [100, 340],
    ] as const) {
      story.agent.liveMiB = from;
      await story.goes(3, (second) => {
        story.agent.liveMiB = Math.min(to, from + 200 * second);
      });
      await story.goes(5);
    }
    expect(story.clients).toEqual([]);
  });

  it('is opened and collected from the shedding level on, and closed again', async () => {
    const story = await closed();
    story.agent.garbageMiB = 370;
    await story.goes(1.5);
    expect(story.verdicts).toEqual(['freed']);
    expect(story.view.status().ready).toBe(true);
    await story.goes(8);
    expect(story.agent.signals).toEqual(['SIGUSR1']);
    expect(isOpen(story)).toBe(false);
  });

  it('is not opened below the shed ratio, however near the kill: what fills up on its start looks the same', async () => {
    const story = await closed();
    await story.goes(20, () => {
      story.agent.garbageMiB = Math.min(400 - story.agent.liveMiB, story.agent.garbageMiB + 5);
    });
    expect(story.view.status().level).toBe('warning');
    expect(story.agent.signals).toEqual([]);
  });

  it('is opened as soon as work is turned away, and that is over within a moment', async () => {
    const story = await closed();
    await story.goes(20, () => {
      story.agent.garbageMiB += 1;
    });
    expect(story.verdicts[0]).toBe('freed');
    expect(story.unreadyMs).toBeLessThan(500);
  });

  it('is closed when only the warning level is left', async () => {
    const story = await closed();
    story.agent.liveMiB = 430;
    await story.goes(3);
    expect(isOpen(story)).toBe(true);
    story.agent.liveMiB = 380;
    await story.goes(10);
    expect(story.view.status().level).toBe('warning');
    expect(isOpen(story)).toBe(false);
    const { length } = story.agent.signals;
    await story.goes(60);
    expect(story.agent.signals).toHaveLength(length);
  });

  it('is closed where a hold goes on and on', async () => {
    const story = startStory({ options: { recycle: 'off', hold: 3_600_000 } });
    story.agent.inspectorOpen = false;
    await story.goes(2);
    story.agent.liveMiB = 430;
    await story.goes(1);
    expect(isOpen(story)).toBe(true);
    story.agent.liveMiB = 375;
    await story.goes(15);
    expect(story.view.status().level).toBe('shedding');
    expect(isOpen(story)).toBe(false);
  });

  it('stays open while the hold lasts: what was turned away comes back all at once', async () => {
    const story = await closed();
    story.agent.liveMiB = 430;
    await story.goes(1);
    story.agent.liveMiB = 375;
    await story.goes(4);
    expect(story.view.status().level).toBe('shedding');
    expect(isOpen(story)).toBe(true);
    const { length } = story.verdicts;
    story.agent.garbageMiB = 90;
    await story.goes(0.3);
    expect(story.verdicts.slice(length)).toEqual(['freed']);
    expect(story.agent.signals).toEqual(['SIGUSR1']);
  });

  it.each([
    ['refused', refusal()],
    ['timeout', late()],
  ])('is closed within two seconds where it cannot be asked, though memory is short (%s)', async (_, fault) => {
    const story = await closed();
    story.prepare = (client) => {
      client.faults.facts = fault;
    };
    story.agent.liveMiB = 430;
    await story.goes(0.5);
    expect(isOpen(story)).toBe(true);
    for (let i = 0; i < 100; i++) {
      await story.goes(0.1);
      const asked = story.clients.flatMap(({ calls }) => calls.filter(({ what }) => what !== 'release'));
      const sinceMs = story.clock.nowMs - Math.max(...asked.map(({ atMs }) => atMs));
      expect(isOpen(story) && sinceMs > 2200).toBe(false);
    }
  });

  it('is opened on request', async () => {
    const story = await closed();
    story.agent.garbageMiB = 100;
    const answer = story.remediation.collect();
    await story.goes(1);
    await expect(answer).resolves.toMatchObject({ verdict: 'freed' });
    await story.goes(3);
    expect(isOpen(story)).toBe(false);
  });
});

describe('garbage', () => {
  it('is collected at the warning level, so that nobody is turned away', async () => {
    const story = await old();
    await story.goes(60, () => {
      story.agent.garbageMiB += 1;
    });
    expect(story.verdicts.length).toBeGreaterThanOrEqual(3);
    expect(new Set(story.verdicts)).toEqual(new Set(['freed']));
    expect(story.unreadyMs).toBe(0);
    expect(story.client.mostAtOnce).toBe(1);
    expect(story.notes('GarbageCollected'), 'told once a minute at most').toHaveLength(1);
    expect(story.view.status().lastGc).toMatchObject({ verdict: 'freed', way: 'fast' });
  });

  it('that came in one burst is collected while shedding, and the agent is ready within a second', async () => {
    const story = await old();
    story.agent.garbageMiB = 370;
    await story.goes(0.1);
    expect(story.view.status()).toMatchObject({ level: 'shedding', ready: false });
    await story.goes(1);
    expect(story.view.status().ready).toBe(true);
  });

  it('is collected by no long stop once that has made the agent ready, though the level is held', async () => {
    const story = startStory({ options: { recycle: 'off', profile: 'off' } });
    Object.assign(story.agent, { inspectorOpen: false, limitMiB: 2048, liveMiB: 600, otherMiB: 60 });
    const ready: boolean[] = [];
    story.prepare = (client) => {
      client.takesMs = { facts: 3, collect: 900 };
      const { collect } = client;
      client.collect = (way) => {
        ready.push(story.judge.ready);
        return collect(way);
      };
    };
    await story.goes(60);
    Object.assign(story.agent, { liveMiB: 1180, garbageMiB: 600 });
    await story.goes(8, () => {
      const { level } = story.judge;
      if ((level === 'shedding' || level === 'critical') && story.agent.heldMiB < 0.78 * 2048)
        story.agent.garbageMiB += 10;
    });
    expect(ready).toEqual([false]);
  });

  it('that was not there is looked for once, and ever more rarely while work is turned away', async () => {
    const story = await old();
    story.agent.inFlight = null;
    story.agent.liveMiB = 380;
    await story.goes(120);
    expect(story.verdicts).toEqual(['nothing_freed']);
    story.agent.liveMiB = 430;
    await story.goes(120);
    expect(story.verdicts.length).toBeGreaterThanOrEqual(3);
    expect(story.verdicts.length).toBeLessThanOrEqual(8);
    expect(new Set(story.verdicts)).toEqual(new Set(['nothing_freed']));
  });

  it('being collected, or asked for in vain, puts off no 503', async () => {
    for (const what of ['collect', 'facts'] as const) {
      const story = await old();
      story.prepare = (client) => {
        client.takesMs[what] = 5000;
      };
      story.agent.liveMiB = 370;
      await story.goes(1.2);
      expect(story.client.times(what)).toBe(1);
      story.agent.liveMiB = 430;
      await story.goes(0.1);
      expect(story.view.status()).toMatchObject({ level: 'shedding', ready: false });
    }
  });

  it('of a JVM counts by what left its memory', async () => {
    const story = await old({}, new FakeAgent(7, 'jvm'));
    story.agent.garbageMiB = 360;
    await story.goes(6);
    expect(story.verdicts).toEqual(['freed']);
  });
});

describe('memory that does not come back', () => {
  it('ends in ready again within seconds: idle, flat, and nothing to collect', async () => {
    const story = await old();
    story.agent.liveMiB = 430;
    await story.goes(8);
    expect(story.view.status()).toMatchObject({ level: 'shedding', ready: true });
    expect(story.unreadyMs).toBeLessThan(6000);
    await story.goes(60);
    expect(story.notes('AgentStuck')).toHaveLength(1);
    expect(story.view.status().ready).toBe(true);
  });

  it.each([
    ['refused', refusal()],
    ['timeout', late()],
    ['other', new TypeError('x is not a function')],
  ])('is no latch either where the runtime cannot be asked (%s)', async (_name, fault) => {
    const story = await old();
    story.prepare = (client) => {
      client.faults.facts = fault;
    };
    story.agent.liveMiB = 430;
    await story.goes(10);
    expect(story.view.status().ready).toBe(true);
    expect(story.unreadyMs).toBeLessThan(8000);
  });

  it('is no latch where a call to the runtime never returns', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.faults.facts = 'hang';
    };
    story.agent.liveMiB = 430;
    await story.goes(10);
    expect(story.view.status().ready).toBe(true);
  });
});

describe("the heap's own limit", () => {
  const small = () => {
    const agent = new FakeAgent();
    agent.limitMiB = 1024;
    agent.heapLimitMiB = 259;
    return agent;
  };

  it('turns away when live memory comes near, within a second, and is named', async () => {
    const story = await old({}, small());
    story.agent.inFlight = 2;
    await story.goes(6, () => {
      story.agent.liveMiB = Math.min(240, story.agent.liveMiB + 2);
    });
    expect(story.view.status()).toMatchObject({ limitedBy: 'heap', ready: false });
    const told = story.exporters.events.find(({ reason }) => TURNS_AWAY.has(reason));
    expect(told?.status).toMatchObject({ limitedBy: 'heap', ready: false });
  });

  it('turns nobody away for garbage, again and again', async () => {
    const story = await old({}, small());
    await story.goes(40, () => {
      story.agent.garbageMiB += 1;
      if (story.agent.liveMiB + story.agent.garbageMiB > 250) story.agent.garbageMiB = 0; // V8 does so itself
    });
    expect(story.unreadyMs).toBe(0);
    expect(story.client.times('collect')).toBeGreaterThanOrEqual(1);
  });

  it('is asked for only where memory of any kind comes near it and grows, and then once', async () => {
    const story = await old({}, small());
    story.agent.inspectorOpen = false;
    story.agent.otherMiB = 190; // Buffers
    await story.goes(10);
    expect(story.agent.signals).toEqual([]);
    await story.goes(20, () => {
      story.agent.otherMiB = Math.min(235, story.agent.otherMiB + 0.1);
    });
    expect(story.agent.signals).toEqual(['SIGUSR1']);
    expect(story.client.calls.map(({ what }) => what)).toEqual(['facts', 'release']);
    await story.goes(60);
    expect(story.agent.signals).toEqual(['SIGUSR1']);
    expect(story.view.status().level).toBe('ok');
  });

  it('is not asked for where the mappings of the heap show that it is far', async () => {
    const story = await old({}, small());
    story.agent.inspectorOpen = false;
    let looks = 0;
    story.agent.heapFromOutside = () => {
      looks++;
      return (story.agent.liveMiB + 20) * MiB;
    };
    await story.goes(30, (second) => {
      story.agent.otherMiB = Math.min(600, 20 + 25 * second); // Buffers
    });
    expect(story.agent.signals).toEqual([]);
    expect(looks).toBeGreaterThan(0);
    expect(looks).toBeLessThan(25);
    await story.goes(30, () => {
      story.agent.liveMiB = Math.min(250, story.agent.liveMiB + 0.5);
    });
    expect(story.agent.signals).toContain('SIGUSR1');
    expect(story.view.status()).toMatchObject({ level: 'critical', limitedBy: 'heap' });
  });

  it('is asked for again after Buffers that came near it were freed', async () => {
    const story = await old({}, small());
    story.agent.inspectorOpen = false;
    story.agent.heapFromOutside = () => (story.agent.liveMiB + 5) * MiB;
    await story.goes(20, () => {
      story.agent.otherMiB = Math.min(240, story.agent.otherMiB + 1);
    });
    expect(story.agent.signals).toEqual([]);
    story.agent.otherMiB = 20;
    await story.goes(60, () => {
      story.agent.liveMiB = Math.min(250, story.agent.liveMiB + 0.5);
    });
    expect(story.view.status()).toMatchObject({ level: 'critical', limitedBy: 'heap' });
  });

  it('counts no more once what was told of it has been freed', async () => {
    const story = await old({}, small());
    story.agent.inspectorOpen = false;
    await story.goes(30, () => {
      story.agent.liveMiB = Math.min(225, story.agent.liveMiB + 0.5);
    });
    expect(story.view.status().limitedBy).toBe('heap');
    story.agent.liveMiB = 60;
    await story.goes(20);
    expect(story.view.status()).toMatchObject({ level: 'ok', limitedBy: 'container' });
  });

  it('counts no more either where that was freed right after it was told', async () => {
    const story = await old({}, small());
    story.agent.inspectorOpen = false;
    while (story.view.status().limitedBy !== 'heap') {
      story.agent.liveMiB += 0.5;
      await story.goes(0.05);
    }
    story.agent.liveMiB = 60;
    await story.goes(20);
    expect(story.view.status()).toMatchObject({ level: 'ok', limitedBy: 'container' });
  });

  it('is not what grows where Buffers do', async () => {
    const agent = small();
    agent.limitMiB = 3072;
    const story = await old({}, agent);
    agent.inspectorOpen = false;
    agent.liveMiB = 197;
    await story.goes(20, () => {
      agent.otherMiB += 2;
    });
    expect(
      story.clients.map((client) => client.times('collect') + client.times('startProfile')),
    ).not.toContain(1);
    const forecasts = story.exporters.events.filter(({ reason }) => reason === 'MemoryLimitForecast');
    for (const { status } of forecasts) expect(status.limitedBy).toBe('container');
    expect(agent.signals.length).toBeGreaterThan(0);
  });

  it('is confirmed by a collection each time, whatever was not answered before', async () => {
    const story = await old({}, small());
    const crosses = async () => {
      story.agent.garbageMiB = 225 - story.agent.liveMiB;
      await story.goes(0.2);
    };
    await story.goes(3, () => {
      story.agent.liveMiB = Math.min(198, story.agent.liveMiB + 5);
    });
    await crosses();
    story.client.faults = { facts: late(), collect: late() };
    story.agent.garbageMiB = 0;
    story.agent.liveMiB = 60;
    await story.goes(30);
    expect(story.view.status().limitedBy).toBe('container');
    story.client.faults = {};
    await story.goes(60);
    const before = story.unreadyMs;
    await crosses();
    expect(story.unreadyMs).toBe(before);
  });

  it('does not keep a collection waiting that a burst beside it needs', async () => {
    const agent = small();
    agent.limitMiB = 640;
    agent.heapLimitMiB = 512;
    agent.inspectorOpen = false;
    agent.heapFromOutside = () => (agent.liveMiB + 10) * MiB;
    const heap = agent.heap.bind(agent);
    agent.heap = () => ({ ...heap(), limitedBytes: agent.liveMiB * MiB });
    const story = await old({ profile: 'off' }, agent);
    agent.liveMiB = 100;
    const asked = (what: string) =>
      story.clients.some(({ calls }) => calls.some((call) => call.what === what));
    while (!(asked('facts') && agent.liveMiB > 384)) {
      agent.liveMiB += 0.15;
      await story.clock.advance(5);
    }
    while (!asked('collect') && agent.heldMiB < 640) {
      agent.garbageMiB += 900 * 0.005; // Buffers
      await story.clock.advance(5);
    }
    expect(agent.heldMiB).toBeLessThan(640);
  });

  it('is no longer what was told long ago once it is seen from outside to be far', async () => {
    const agent = small();
    agent.limitMiB = 3072;
    const story = await old({}, agent);
    agent.inspectorOpen = false;
    await story.goes(30, () => {
      agent.liveMiB = Math.min(228, agent.liveMiB + 1.5);
    });
    expect(story.view.status().limitedBy).toBe('heap');
    agent.liveMiB = 160;
    agent.otherMiB += 68; // freed, and taken by Buffers
    agent.heapFromOutside = () => 165 * MiB;
    await story.goes(300);
    const { length } = agent.signals;
    await story.goes(20, () => {
      agent.otherMiB += 1;
    });
    expect(agent.signals).toHaveLength(length);
    expect(story.view.status()).toMatchObject({ level: 'ok', limitedBy: 'container' });
  });

  it('is found near by one question, and then watched', async () => {
    const story = await old({}, small());
    story.agent.inspectorOpen = false;
    await story.goes(30, () => {
      story.agent.liveMiB = Math.min(250, story.agent.liveMiB + 0.5);
    });
    expect(story.view.status()).toMatchObject({ level: 'critical', limitedBy: 'heap' });
    expect(story.unreadyMs).toBeGreaterThan(0);
  });

  it('does not stand on what was said long ago', async () => {
    const story = await old({}, small());
    await story.goes(6, () => {
      story.agent.liveMiB = Math.min(240, story.agent.liveMiB + 2);
    });
    expect(story.view.status().limitedBy).toBe('heap');
    story.prepare = (client) => {
      client.faults.facts = late();
    };
    story.prepare(story.client);
    await story.goes(15);
    expect(story.view.status().limitedBy).toBe('container');
  });

  it('above what the container can hold is told once', async () => {
    const agent = new FakeAgent();
    agent.heapLimitMiB = 900;
    const story = await startStory({ options: { recycle: 'off' }, agent }).goes(5);
    expect(story.notes('HeapLimitTooHigh')).toHaveLength(1);
    expect(story.view.status().advice).toMatchObject([
      { code: 'heap_limit_too_high', hint: expect.stringContaining('--max-old-space-size=384') },
    ]);
  });
});

describe('a tool that the kernel ends', () => {
  it('takes the pressure with it: the agent is not asked anything more', async () => {
    const story = await old();
    story.agent.toolMiB = 400;
    await story.goes(3);
    expect(story.view.status().level).toBe('critical');
    const asked = () =>
      story.clients.flatMap(({ calls }) => calls).filter(({ what }) => what !== 'release').length;
    const before = asked();
    expect(before).toBeGreaterThan(0);
    story.agent.toolMiB = 0;
    story.agent.kills = 1;
    await story.goes(10);
    expect(asked() - before).toBeLessThanOrEqual(1); // one that was underway
    expect(story.view.status()).toMatchObject({ level: 'ok', ready: true });
  });
});

describe('growth', () => {
  const grows = async (story: Story, seconds = 20) =>
    story.goes(seconds, () => {
      story.agent.liveMiB = Math.min(480, story.agent.liveMiB + 0.5);
    });

  it('is sampled from the warning level on, named once, and named in what is told later', async () => {
    const story = await old();
    story.agent.liveMiB = 330;
    await grows(story, 3);
    expect(story.clients).toEqual([]);
    await grows(story, 17);
    expect(story.client.times('startProfile')).toBe(1);
    const named = story.exporters.events.findIndex(({ reason }) => reason === 'MemoryGrowthNamed');
    const shedding = story.exporters.events.findIndex(({ reason }) => reason === 'MemoryPressureShedding');
    expect(story.notes('MemoryGrowthNamed')).toHaveLength(1);
    expect(named, 'before anybody is turned away').toBeLessThan(shedding);
    expect(story.notes('MemoryPressureShedding')[0]).toContain('`remember (agent.js:7)` +80');
    expect(story.notes('MemoryPressureWarning')[0]).not.toContain('remember');
    expect(story.view.status().growth?.sites[0]?.name).toBe('remember');
  });

  it('is in the note and the report of a death', async () => {
    const story = await old();
    story.agent.liveMiB = 330;
    await grows(story);
    story.agent.dies({ exitCode: null, signal: 'SIGKILL' });
    await story.goes(1);
    expect(story.notes('AgentExited')[0]).toContain('remember (agent.js:7)');
    expect(story.exporters.deaths[0]?.status.growth?.sites[0]?.name).toBe('remember');
    expect(story.view.status().growth, 'it was of the life before').toBeNull();
  });

  it('costs stall that collections do not get', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.profileStallMs = 4000;
    };
    story.agent.liveMiB = 330;
    await grows(story, 7);
    expect(story.client.times('profile')).toBe(1);
    expect(story.exporters.stalledMs).toBe(4000);
    const before = story.client.times('collect');
    story.agent.garbageMiB = 90;
    await story.goes(5);
    expect(story.client.times('collect')).toBe(before);
    await story.goes(60);
    expect(story.client.times('collect')).toBeGreaterThan(before);
  });

  it('is read anew only when there is more of it', async () => {
    const story = await old();
    story.agent.liveMiB = 330;
    await grows(story, 8);
    const { length } = story.client.calls.filter(({ what }) => what === 'profile');
    expect(length).toBeGreaterThan(0);
    await story.goes(300);
    expect(story.client.times('profile')).toBe(length);
    story.agent.liveMiB += 40;
    await story.goes(3);
    expect(story.client.times('profile')).toBe(length + 1);
  });

  it('of a large heap is not read at the warning level, as it would be felt', async () => {
    const agent = new FakeAgent();
    agent.limitMiB = 2000;
    const story = await old({}, agent);
    const until = (mostMiB: number) =>
      story.goes(30, () => {
        story.agent.liveMiB = Math.min(mostMiB, story.agent.liveMiB + 3);
      });
    story.agent.liveMiB = 1450;
    await until(1600);
    expect(story.view.status().level).toBe('warning');
    expect(story.client.times('profile')).toBe(0);
    await until(1720);
    expect(story.view.status().level).toBe('shedding');
    expect(story.client.times('profile')).toBe(1);
  });

  it('that cannot be told stops no collection', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.faults.startProfile = refusal();
    };
    story.agent.garbageMiB = 330;
    await story.goes(3);
    story.agent.garbageMiB = 330;
    await story.goes(3);
    expect(story.verdicts.filter((verdict) => verdict === 'freed').length).toBeGreaterThanOrEqual(2);
    expect(story.view.status().growth).toBeNull();
  });

  it('whose file cannot be written in time is told all the same, and collecting goes on', async () => {
    const story = await old();
    story.keep = () => new Promise(() => {});
    story.agent.liveMiB = 350;
    await grows(story, 4);
    await story.goes(8);
    expect(story.notes('MemoryGrowthNamed')).toHaveLength(1);
    const before = story.verdicts.length;
    story.agent.garbageMiB = 60;
    await story.goes(4);
    expect(story.verdicts.length).toBeGreaterThan(before);
  });
});

describe('what is off', () => {
  it('gc: growth is named, nothing is collected or told of it, and stuck is stuck at once', async () => {
    const story = await old({ gc: 'off' });
    story.agent.liveMiB = 380;
    await story.goes(10, () => {
      story.agent.liveMiB = Math.min(430, story.agent.liveMiB + 1);
    });
    expect(story.client.times('collect')).toBe(0);
    expect(story.verdicts).toEqual([]);
    expect(story.notes('MemoryGrowthNamed')).toHaveLength(1);
    expect(story.view.status().ready).toBe(true);
  });

  it('profile: nothing is sampled', async () => {
    const story = await old({ profile: 'off' });
    story.agent.liveMiB = 400;
    await story.goes(20);
    expect(story.client.times('startProfile') + story.client.times('profile')).toBe(0);
    expect(story.client.times('collect')).toBeGreaterThan(0);
  });

  it('both: the runtime is left alone', async () => {
    const story = await old({ gc: 'off', profile: 'off' });
    story.agent.liveMiB = 450;
    await story.goes(20);
    expect(story.clients).toEqual([]);
  });
});

describe('a runtime that was reached', () => {
  it('is let go after two seconds of calm, and reached anew when there is need', async () => {
    const story = await old({ profile: 'off' });
    story.agent.garbageMiB = 330;
    await story.goes(2);
    expect(story.verdicts).toEqual(['freed']);
    expect(story.client.times('release')).toBe(0);
    await story.goes(15);
    expect(story.client.times('release')).toBe(1);
    expect(story.client.late).toEqual([]);
    story.agent.garbageMiB = 330;
    await story.goes(2);
    expect(story.clients).toHaveLength(2);
  });

  it('is let go at the end, and nothing is done after', async () => {
    const story = await old();
    story.agent.liveMiB = 430;
    await story.goes(3);
    story.guardian.stop();
    const closed = story.remediation.close();
    await story.clock.advance(600);
    await closed;
    await story.goes(5);
    expect(story.client.times('release')).toBe(1);
    expect(story.client.late).toEqual([]);
    await expect(story.remediation.collect()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it.each([
    'facts',
    'collect',
    'profile',
    'inFlight',
    'release',
  ] as const)('that never answers `%s` holds up the end for three seconds at most', async (what) => {
    const story = await old();
    story.agent.inFlight = 1;
    story.prepare = (client) => {
      client.faults[what] = 'hang';
    };
    story.agent.liveMiB = 430;
    await story.goes(7);
    let closed = false;
    story.guardian.stop();
    void story.remediation.close().then(() => {
      closed = true;
    });
    await story.clock.advance(3000);
    expect(closed).toBe(true);
    expect(story.client.times('release')).toBe(1);
  });

  it('that refuses is told with the hint, once, and asked ever more rarely', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.faults.facts = refusal();
    };
    story.agent.liveMiB = 380;
    await story.goes(300);
    expect(story.notes('GarbageCollected')).toEqual([
      'the inspector cannot be opened; leave --disable-sigusr1 out.',
    ]);
    expect(story.exporters.records.length).toBeLessThanOrEqual(5);
    expect(story.view.status().lastGc).toMatchObject({ verdict: 'refused', way: null });
  });

  it('that is lost because the agent was killed is not told: its end is', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.faults.facts = refusal('process 7 has ended');
    };
    story.agent.dying = () => true;
    story.agent.liveMiB = 380;
    await story.goes(5);
    expect(story.client.times('facts')).toBeGreaterThan(0);
    expect(story.notes('GarbageCollected')).toEqual([]);
  });

  it('that does not exist is told', async () => {
    const story = await old();
    story.noClient = 'the program has no supported runtime';
    story.agent.liveMiB = 380;
    await story.goes(3);
    expect(story.view.status().lastGc?.note).toBe(story.noClient);
  });

  it('that was late is asked again within a second, then ever more rarely', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.faults.facts = late();
    };
    story.agent.garbageMiB = 320;
    await story.goes(1.2);
    expect(story.verdicts).toContain('timeout');
    expect(story.verdicts.length).toBeLessThanOrEqual(3);
    story.prepare = () => {};
    story.client.faults = {};
    await story.goes(1);
    expect(story.verdicts.at(-1)).toBe('freed');
  });

  it('is not asked what is in work more than once at a time', async () => {
    const story = await old();
    story.agent.inFlight = 2;
    story.prepare = (client) => {
      client.takesMs.inFlight = 4000;
    };
    story.agent.liveMiB = 430;
    await story.goes(8);
    expect(story.client.times('inFlight')).toBeLessThanOrEqual(3);
  });

  it('is left before that of another process is entered', async () => {
    const story = await old();
    story.agent.liveMiB = 380;
    await story.goes(2);
    const [first] = story.clients;
    if (first) first.takesMs.release = 300;
    story.agent.worker = { pid: 9, runtime: 'node' };
    await story.goes(3);
    expect(story.clients).toHaveLength(2);
    const released = first?.calls.find(({ what }) => what === 'release');
    expect(first?.late).toEqual([]);
    expect(story.client.calls[0]?.atMs).toBeGreaterThanOrEqual((released?.atMs ?? 1e9) + 300);
  });
});

describe('an agent that dies in the middle', () => {
  it.each([
    'facts',
    'collect',
    'profile',
  ] as const)('of `%s`: nothing is told but its death', async (what) => {
    const story = await old();
    story.prepare = (client) => {
      client.takesMs[what] = 400;
    };
    story.agent.liveMiB = 380;
    for (let i = 0; i < 200 && (story.clients.at(-1)?.times(what) ?? 0) === 0; i++) {
      story.agent.liveMiB += 0.3;
      await story.goes(0.05);
    }
    expect(story.client.times(what)).toBe(1);
    const before = { records: story.exporters.records.length, logged: story.exporters.logged.length };
    story.exporters.events.length = 0;
    if (what !== 'collect') story.client.faults[what] = refusal('the connection is lost');
    story.agent.dies({ exitCode: null, signal: 'SIGKILL' });
    await story.goes(3);
    expect(story.exporters.records).toHaveLength(before.records);
    expect(story.exporters.logged).toHaveLength(before.logged);
    const reasons = story.exporters.events.map(({ reason }) => reason);
    expect(reasons).toEqual(['AgentExited', 'MemoryPressureRecovered']);
    expect(story.client.late.filter((call) => call !== 'release')).toEqual([]);
  });

  it('leaves the next one a fresh start', async () => {
    const story = await old();
    story.agent.liveMiB = 430;
    await story.goes(7);
    story.agent.dies();
    story.restarts(new FakeAgent(8));
    await story.goes(2);
    expect(story.view.status()).toMatchObject({ level: 'ok', ready: true, lastGc: null, growth: null });
    await story.goes(20);
    story.agent.garbageMiB = 330;
    await story.goes(3);
    expect(story.view.status().lastGc).toMatchObject({ verdict: 'freed' });
  });
});

describe('a request', () => {
  it('to collect answers with the record, also where nothing is short', async () => {
    const story = await old();
    story.agent.garbageMiB = 100;
    const answer = story.remediation.collect();
    await story.goes(1);
    await expect(answer).resolves.toMatchObject({ verdict: 'freed', trigger: 'request' });
  });

  it('to collect is shown by the status as soon as it is answered, every time', async () => {
    const story = await old();
    const server = await startServer({
      status: () => story.view.status(),
      statusVersion: () => story.view.version,
    });
    const admin = createAdminServer({
      collect: () => story.remediation.collect(),
      profile: (seconds) => story.remediation.profile(seconds),
      snapshot: async () => ({}),
      token: undefined,
      onError: () => {},
    });
    const { port } = await admin.listen({ host: '127.0.0.1', port: 0 });
    onTestFinished(() => admin.close());
    for (let i = 0; i < 50; i++) {
      await server.get('/v1/status'); // is cached
      const posted = fetch(`http://127.0.0.1:${port}/v1/gc`, { method: 'POST' }).then((r) => r.json());
      let answer: unknown;
      void posted.then((body) => {
        answer = body;
      });
      while (answer === undefined) await story.clock.advance(5);
      expect(await (await server.get('/v1/status')).json()).toMatchObject({ lastGc: answer });
    }
  });

  it('to collect in the first second of a guardian is done, whatever the budget has earned', async () => {
    const story = await startStory({ options: { recycle: 'off' } }).goes(0.2);
    story.agent.garbageMiB = 100;
    const answer = story.remediation.collect();
    await story.goes(1);
    await expect(answer).resolves.toMatchObject({ verdict: 'freed', trigger: 'request' });
  });

  it('is busy while a collection runs, and comes after anything else that runs', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.takesMs['collect'] = 1000;
    };
    const first = story.remediation.collect();
    await story.goes(0.2);
    await expect(story.remediation.collect()).rejects.toMatchObject({ code: 'busy' });
    const profile = story.remediation.profile(0);
    await story.goes(4);
    await first;
    await expect(profile).resolves.toMatchObject({ file: '/records/profile-1.heapprofile' });
    expect(story.client.mostAtOnce).toBe(1);
  });

  it('for a profile holds the runtime while it samples', async () => {
    const story = await old();
    const answer = story.remediation.profile(30);
    await story.goes(35);
    expect((await answer).sites[0]?.name).toBe('remember');
    expect(story.clients).toHaveLength(1);
    await story.goes(15);
    expect(story.client.times('release')).toBe(1);
  });

  it('that is refused says what to do; one for a profile is no failed collection', async () => {
    const story = await old();
    story.prepare = (client) => {
      client.faults.facts = refusal();
      client.faults.startProfile = refusal();
    };
    await expect(story.remediation.profile(0)).rejects.toMatchObject({
      code: 'unavailable',
      hint: 'leave --disable-sigusr1 out',
    });
    expect(story.exporters.records).toEqual([]);
    await expect(story.remediation.collect()).rejects.toMatchObject({ code: 'unavailable' });
    expect(story.view.status().lastGc).toMatchObject({ verdict: 'refused', trigger: 'request' });
  });

  it('beyond the stall budget, or without an agent, is refused', async () => {
    const story = await old({ gcStallBudget: 0 });
    await expect(story.remediation.collect()).rejects.toMatchObject({ code: 'unavailable' });
    story.agent.dies();
    await story.goes(1);
    await expect(story.remediation.collect()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('whose agent dies meanwhile is told so', async () => {
    const story = await old();
    story.agent.garbageMiB = 100;
    const answer = story.remediation.collect();
    answer.catch(() => {});
    await story.goes(0.05);
    story.agent.dies();
    await story.goes(1);
    await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
    expect(story.exporters.records).toEqual([]);
  });
});

describe('a remedy of its own', () => {
  it('keeps new work from the agent while it drains, and reports what it has found', async () => {
    let why: string | null = null;
    const findings: Finding[] = [];
    const remedy: Remedy = {
      attend: () => {},
      findings: () => findings.splice(0),
      draining: () => why,
      status: () => ({
        name: 'own',
        state: why === null ? 'idle' : 'acting',
        code: 'own',
        why: why ?? 'nothing to do',
      }),
      end: async () => {},
    };
    const story = await startStory({ remedies: [remedy] }).goes(1);
    expect(story.view.status()).toMatchObject({ level: 'ok', ready: true, recycling: false });
    why = 'a tool is ended';
    findings.push({ reason: 'GarbageCollected', note: 'found' });
    await story.goes(1);
    expect(story.view.status()).toMatchObject({ ready: false, recycling: true, reason: 'a tool is ended' });
    expect(story.notes('GarbageCollected')).toEqual(['found']);
    why = null;
    await story.goes(1);
    expect(story.view.status()).toMatchObject({ ready: true, recycling: false });
  });
});
