import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../src/core/lib/errors.ts';
import type { GuardianEvent } from '../../src/core/model/events.ts';
import { FakeAgent } from '../support/fake-agent.ts';
import { grower, growing, needsMore } from '../support/growing-story.ts';
import { MiB } from '../support/reading.ts';
import { type Story, startStory } from '../support/story.ts';

const SIGTERM = ['SIGTERM to 7'];

const recycling = (story: Story) => () => story.view.status().recycling;
const signalled = (story: Story) => () => story.agent.signals.length > 0;

describe('an agent that grows until it would be killed', () => {
  it('is closed, drained, ended and told of before; the next life starts open', async () => {
    const { story, grow } = await growing();
    const [agent] = [story.agent];
    story.restarts(new FakeAgent(8));
    expect(await grow(60, () => !story.judge.ready)).toBe(true);
    const closedMs = story.clock.now();
    expect(await grow(60, () => agent.signals.length > 0)).toBe(true);
    expect(story.clock.now() - closedMs, 'a balancer needs a second to notice').toBeGreaterThanOrEqual(1200);
    await story.goes(1);
    expect(agent.signals).toEqual(SIGTERM);
    expect(story.exporters.recycled).toEqual(['ended']);
    expect(story.notes('AgentRecycled')).toHaveLength(1);
    expect(story.view.status()).toMatchObject({
      ready: true,
      recycling: false,
      level: 'ok',
      agent: { pid: 8 },
    });
  });

  it('is left alone where a tool of its own is what grows: the kernel ends that one', async () => {
    const { story } = await growing({ mode: { sameFiles: true } });
    story.agent.liveMiB = 40;
    for (let i = 0; i < 1200; i++) {
      story.agent.toolMiB = Math.min(440, story.agent.toolMiB + 0.4);
      await story.goes(0.05);
    }
    expect(story.view.status().level).toBe('critical');
    expect(story.exporters.recycled).toEqual([]);
    expect(story.agent.signals.filter((signal) => signal.startsWith('SIGTERM'))).toEqual([]);
  });

  it('is left alone beside a tool of its own size that the kernel is told to end first', async () => {
    const { story } = await growing({ mode: { sameFiles: true } });
    story.agent.liveMiB = 230;
    story.agent.toolMiB = 100;
    story.agent.toolAdjustment = 300;
    for (let i = 0; i < 500; i++) {
      story.agent.toolMiB = Math.min(240, story.agent.toolMiB + 0.4);
      await story.goes(0.05);
    }
    expect(story.view.status().level).toBe('critical');
    expect(story.exporters.recycled).toEqual([]);
    expect(story.agent.signals.filter((signal) => signal.startsWith('SIGTERM'))).toEqual([]);
  });

  it.each([30, 32, 35, 40])('is ended in time where it leaks %i MiB/s after a time at rest', async (rate) => {
    for (const stepMs of [2, 7, 10]) {
      const story = startStory({ options: { profile: 'off' } });
      const { agent } = story;
      Object.assign(agent, { limitMiB: 1024, liveMiB: 510, otherMiB: 40 });
      story.prepare = (client) => {
        client.takesMs = { facts: 3, collect: 100 };
      };
      await story.goes(20.5);
      while (agent.alive() && agent.heldMiB < agent.limitMiB) {
        await story.clock.advance(stepMs);
        agent.liveMiB += (rate * stepMs) / 1000;
      }
      await story.goes(1);
      expect(story.exporters.recycled, `in steps of ${stepMs} ms`).toEqual(['ended']);
    }
  });

  it('is ended in time where its heap fills, of which V8 tells in steps', async () => {
    const outcomes: string[] = [];
    for (let phase = 0; phase < 5; phase++) {
      const agent = new FakeAgent();
      Object.assign(agent, { limitMiB: 4096, heapLimitMiB: 512, otherMiB: 40, liveMiB: 80 + 6.6 * phase });
      agent.inspectorOpen = false;
      agent.heapFromOutside = () => (agent.liveMiB + 6) * MiB;
      let told = agent.liveMiB;
      const heap = agent.heap.bind(agent);
      agent.heap = () => ({ ...heap(), limitedBytes: told * MiB });
      const story = startStory({ options: { profile: 'off' }, agent });
      await story.goes(20 + 0.137 * phase);
      while (agent.alive() && told < 512) {
        agent.liveMiB += 0.15;
        if (agent.liveMiB - told >= 32) told = agent.liveMiB; // each scavenge promotes so much at once
        await story.clock.advance(10);
      }
      outcomes.push(agent.alive() ? 'aborted' : 'ended');
    }
    expect(outcomes.filter((outcome) => outcome === 'aborted').length).toBeLessThanOrEqual(1);
  });

  it('keeps its work until that has ended', async () => {
    const { story, grow } = await growing({ mibPerSecond: 2 });
    story.agent.inFlight = 2;
    await grow(120, recycling(story));
    expect(story.view.status()).toMatchObject({ recycling: true, ready: false });
    await grow(3);
    expect(story.agent.signals).toEqual([]);
    story.agent.inFlight = 0;
    await grow(1);
    expect(story.agent.signals).toEqual(SIGTERM);
  });

  it('stays closed for a moment while nothing can be read, and no longer', async () => {
    const { story, grow } = await growing();
    story.agent.inFlight = 2;
    await grow(60, recycling(story));
    story.agent.read = () => {
      throw new Error('EIO');
    };
    await story.goes(3);
    expect(story.view.status()).toMatchObject({ blind: true, ready: false, recycling: true });
    await story.goes(20);
    expect(story.agent.signals, 'of which nothing is known').toEqual([]);
    expect(story.view.status()).toMatchObject({ blind: true, ready: true, recycling: false });
  });

  it('that dies by itself while drained is no recycle', async () => {
    const { story, grow } = await growing();
    story.agent.inFlight = 2;
    await grow(60, recycling(story));
    story.agent.dies({ exitCode: 1, signal: null });
    story.restarts(new FakeAgent(8));
    await story.goes(1);
    // whichever notices first, the drain or the loop
    expect(['cancelled', 'ended_before']).toContain(story.exporters.recycled.join());
    expect(story.notes('AgentRecycled')).toEqual([]);
    expect(story.view.status()).toMatchObject({ ready: true, recycling: false });
    expect(story.remediation.terminated).toBe(false);
  });

  it('that does not end is left alone, closed, and not asked again in this life', async () => {
    const { story, grow } = await growing({ options: { recycleGrace: 5000 } }, ({ agent }) => {
      agent.onSigterm = () => {};
    });
    await grow(60, signalled(story));
    await story.goes(2);
    expect(story.remediation.refuses).toBe(true);
    await story.goes(4);
    expect(story.exporters.recycled).toEqual(['left_running']);
    expect(story.remediation.refuses, 'who comes all the same').toBe(false);
    await story.goes(400);
    expect(story.agent.signals).toEqual(SIGTERM);
    expect(story.notes('AgentRecycled')).toHaveLength(1);
    expect(story.notes('AgentStuck')).toEqual([]);
    expect(story.view.status()).toMatchObject({ ready: false, recycling: true });
    expect(story.remedy('recycle')).toMatchObject({ state: 'acting', code: 'left_running' });
    story.agent.dies();
    story.restarts(new FakeAgent(8));
    await story.goes(1);
    expect(story.view.status()).toMatchObject({ ready: true, agent: { pid: 8 } });
  });

  it('that must not be signalled is open again', async () => {
    const { story, grow } = await growing({}, ({ agent }) => {
      agent.onSigterm = () => {
        throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
      };
    });
    await grow(60, signalled(story));
    await story.goes(8); // until the rest has ended the forecast
    expect(story.exporters.recycled).toEqual(['refused']);
    expect(story.view.status()).toMatchObject({ recycling: false, ready: true });
  });

  it.each([
    ['when ending it fails in a way nobody thought of', 'no such thing', []],
    ['when what is read of it looks like its end', 'process 7 is gone', ['ended_before']],
  ] as const)('is not shut out %s', async (_, message, results) => {
    const { story, grow } = await growing({}, (it) => {
      if (results.length === 0)
        it.onRecycle = () => {
          throw new Error(message);
        };
      it.agent.onSigterm = () => {
        throw Object.assign(new Error(message), { code: 'ESRCH' });
      };
    });
    await grow(40, () => story.exporters.recycled.length > 0 || story.exporters.logged.length > 1);
    await story.goes(60);
    expect(story.exporters.recycled).toEqual(results);
    expect(story.view.status()).toMatchObject({ recycling: false, ready: true });
  });

  it('below a supervisor ends without it: the next program starts open', async () => {
    const { story, grow } = await growing({}, ({ agent }) => {
      agent.onSigterm = () => {
        agent.served = true;
        agent.liveMiB = 60;
      };
    });
    story.sigtermTarget = () => 70;
    story.prepare = (client) => {
      client.sigterm = true;
    };
    story.agent.worker = { pid: 70, runtime: 'node' };
    await grow(60, signalled(story));
    await story.goes(5);
    expect(story.agent.signals).toEqual(['SIGTERM to 70']);
    expect(story.exporters.recycled).toEqual(['ended']);
    expect(story.agent.alive(), 'its supervisor').toBe(true);
    await story.goes(5);
    expect(story.view.status()).toMatchObject({ recycling: false, ready: true, level: 'ok' });
  });

  it('is not said to have ended when it is the guardian that ends', async () => {
    const { story, grow } = await growing({}, ({ agent }) => {
      agent.onSigterm = () => {};
    });
    await grow(60, signalled(story));
    story.guardian.stop();
    const closed = story.remediation.close();
    await story.goes(2);
    await closed;
    expect(story.notes('AgentRecycled')).toEqual([]);
    expect(story.exporters.recycled).toEqual([]);
  });

  it('says how long kubelet may wait, from the second start in a row on', async () => {
    const { story } = await growing();
    for (let pid = 8; pid < 12; pid++) {
      const [agent] = [story.agent];
      story.restarts(new FakeAgent(pid));
      await grower(story, 5)(60, () => !agent.alive());
      await story.goes(15);
    }
    const waits = story
      .notes('AgentRecycled')
      .map((note) => /([\d.]+ s) \(CrashLoopBackOff\)/.exec(note)?.[1]);
    expect(waits).toEqual([undefined, '10 s', '20 s', '40 s']);
    expect(story.view.status().restartDelaySeconds).toBe(80);
  });
});

describe('an agent that is being drained', () => {
  /** It grows at shedding with work that does not end. */
  async function drained(mibPerSecond = 4) {
    const { story, grow } = await growing({ mibPerSecond });
    story.agent.inFlight = 2;
    expect(await grow(90, recycling(story))).toBe(true);
    await grow(0.5);
    return { story, grow };
  }

  it('is spared when its work ends and gives the memory back', async () => {
    const { story } = await drained();
    story.agent.liveMiB = 60;
    await story.goes(9);
    expect(story.exporters.recycled).toEqual(['cancelled']);
    story.agent.inFlight = 0;
    await story.goes(60);
    expect(story.agent.signals).toEqual([]);
    expect(story.notes('AgentRecycled')).toEqual([]);
    expect(story.view.status()).toMatchObject({ ready: true, recycling: false });
  });

  it('is spared when collections help', async () => {
    const { story, grow } = await growing({ mibPerSecond: 4, options: { recycle: 'on' } });
    story.agent.inFlight = 2;
    story.noClient = 'its port is taken';
    expect(await grow(90, recycling(story))).toBe(true);
    story.noClient = undefined;
    story.agent.garbageMiB = 150;
    story.agent.liveMiB -= 150;
    const collected = story.remediation.collect().catch(() => undefined);
    await grow(4);
    await collected;
    await grow(6);
    expect(story.exporters.recycled).toEqual(['cancelled']);
    expect(story.agent.signals).toEqual([]);
  });

  it('is not told to be ready again as stuck', async () => {
    const { story, grow } = await growing({ options: { recycleGrace: 60_000 } }, ({ agent }) => {
      agent.onSigterm = () => {};
    });
    await grow(60, signalled(story));
    await grow(20, () => story.view.status().level === 'critical');
    await story.goes(50);
    expect(story.notes('AgentStuck')).toEqual([]);
    const critical = story.exporters.events.filter(({ reason }) => reason === 'MemoryPressureCritical');
    expect(critical).not.toEqual([]);
    for (const { status } of critical) expect(status).toMatchObject({ recycling: true, ready: false });
  });

  it('gets no SIGTERM once it has closed its port, nor once somebody else has sent one', async () => {
    const closed = await drained();
    closed.story.agent.inFlight = null;
    await closed.grow(3);
    expect(closed.story.agent.signals).toEqual([]);
    const passed = await drained();
    passed.story.remediation.standBack('SIGTERM was forwarded to it');
    passed.story.agent.inFlight = 0;
    await passed.grow(20);
    expect(passed.story.agent.signals).toEqual([]);
    expect(passed.story.exporters.recycled).toEqual(['cancelled']);
  });
});

describe('an agent that does not have to die', () => {
  /** So many MiB more within so many seconds, then at rest. */
  async function burst(mib: number, seconds: number, inFlight: number | null) {
    const story = await startStory({ options: { recycle: 'on' } }).goes(20);
    story.agent.inFlight = inFlight;
    story.agent.liveMiB = 270;
    await story.goes(20);
    await story.goes(seconds, () => {
      story.agent.liveMiB += mib / (seconds * 20);
    });
    await story.goes(60);
    return story;
  }

  it.each([
    1,
    0,
    null,
  ])('is not drained below the shed ratio for a burst, with %s in work', async (inFlight) => {
    const story = await burst(130, 2.4, inFlight);
    expect(story.view.status().ratio).toBeCloseTo(0.82);
    expect(story.agent.signals).toEqual([]);
    expect(story.exporters.recycled).toEqual([]);
    expect(story.unreadyMs).toBe(0);
  });

  it.each([
    0,
    2,
    null,
  ])('is not ended for a burst to 96 %% that comes to rest, with %s in work', async (inFlight) => {
    const story = await burst(200, 2, inFlight);
    expect(story.view.status()).toMatchObject({
      ready: true,
      recycling: false,
      ratio: expect.closeTo(0.957),
    });
    expect(story.agent.signals).toEqual([]);
  });

  it('is not ended while a late collection may still help', async () => {
    const { story, grow } = await growing({ mibPerSecond: 10, options: { profile: 'off' } });
    story.agent.inFlight = 2;
    story.prepare = (client) => {
      client.faults.collect = new SpillwayError('timeout', 'its loop is busy');
    };
    await grow(60, () => story.verdicts.includes('timeout'));
    expect(story.remediation.reclaimOutlook).toMatchObject({ collecting: true });
    await grow(2);
    expect(story.exporters.recycled).toEqual([]);
    expect(story.agent.signals).toEqual([]);
  });

  it('is not made ready, nor called stuck, by time in which the guardian stood still', async () => {
    const story = await startStory({ options: { recycle: 'on' } }).goes(20);
    story.agent.inFlight = 3;
    story.agent.liveMiB = 460;
    await story.goes(2);
    expect(story.view.status().ready).toBe(false);
    story.clock.nowMs += 70_000;
    await story.goes(2);
    expect(story.view.status().ready).toBe(false);
    expect(story.notes('AgentStuck')).toEqual([]);
  });
});

describe('no recycle', () => {
  it.each([
    ['off', { options: { recycle: 'off' } }],
    ['auto where nobody starts it again', { mode: { restarted: false } }],
  ] as const)('where it is %s', async (_name, options) => {
    const { story, grow } = await growing(options);
    await grow(36);
    expect(story.agent.signals).toEqual([]);
    expect(story.exporters.recycled).toEqual([]);
  });

  it.each([
    ['Node says that it does not handle SIGTERM', 'node', 7, false],
    ['nothing proves that it does', 'go', 7, true],
    ['another process than the one that was asked would get it', 'node', 8, true],
    ['it cannot be told who would get it', 'node', null, true],
  ] as const)('with work in flight, where %s', async (_, runtime, target, handles) => {
    const agent = new FakeAgent(7, runtime);
    agent.handlesSigterm = false;
    agent.inFlight = 2;
    const story = startStory({ agent });
    story.sigtermTarget = () => target;
    story.prepare = (client) => {
      client.sigterm = handles;
    };
    await story.goes(20);
    await grower(story, 5)(36);
    expect(story.agent.signals).toEqual([]);
  });

  it('of one that needs more than it has: told once, and left to serve what it can', async () => {
    const story = await needsMore();
    expect(story.notes('AgentRecycled')).toHaveLength(5);
    const told = story.exporters.events.filter(({ reason }) => reason === 'AgentStuck');
    const codeOf = ({ status }: GuardianEvent, name: string) =>
      status.remedies.find((remedy) => remedy.name === name)?.code;
    expect(told.map((event) => [codeOf(event, 'recycle'), codeOf(event, 'shed')])).toEqual([
      ['needs_more', 'refusing'], // of which the recycle tells
      ['needs_more', 'frees_nothing'],
    ]);
  });
});
