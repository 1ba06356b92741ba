import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../src/core/lib/errors.ts';
import type { AgentHook } from '../../src/core/ports/agent-hook.ts';
import type { FakeAgent } from '../support/fake-agent.ts';
import { MiB } from '../support/reading.ts';
import { type Story, type StorySetup, startStory } from '../support/story.ts';

const HEAP_LIMIT_MIB = 400;

/** What the hook of an agent tells with each request. */
function hookOf(agent: FakeAgent, leftMiB: number | null = null): AgentHook {
  const { usedBytes } = agent.heap();
  const left = leftMiB === null ? {} : { left: { bytes: leftMiB * MiB, agoMs: 0 } };
  const state: AgentHook['state'] = {
    ...{
      type: 'state',
      inFlight: agent.inFlight ?? 0,
      endsInMs: 0,
      waiting: 0,
      waitMs: 0,
      refused: 0,
      sigterm: true,
      lateMs: 0,
      servers: 1,
    },
    ...{ admittedPerSecond: 5, heap: { usedBytes, limitBytes: HEAP_LIMIT_MIB * MiB, ...left } },
  };
  const inspect = () => {
    throw new SpillwayError('refused', 'a fake');
  };
  return { pid: agent.info.pid, open: true, state, ask: async () => state, inspect, send: () => {} };
}

interface Kind {
  /** What it keeps, in MiB, after so many seconds of work. */
  keeps: (second: number) => number;
  /** In MiB each second. V8 collects half way from what is live to the limit. */
  garbage: number;
  /** It is too busy to answer. */
  late?: boolean;
  /** Its hook tells what V8's own collections leave. */
  tells?: boolean;
}

/** An agent in a large container, whose heap has a limit of its own. */
function startInLarge(options: StorySetup['options'] = {}): Story {
  const story = startStory({ options: { profile: 'off', ...options }, mode: { alone: true } });
  Object.assign(story.agent, { limitMiB: 2048, heapLimitMiB: HEAP_LIMIT_MIB, waiting: 0 });
  return story;
}

async function serves({ keeps, garbage, late = false, tells = false }: Kind): Promise<Story> {
  const story = startInLarge();
  const { agent } = story;
  let worked = 0;
  if (late)
    story.prepare = (client) => {
      client.takesMs = { facts: 1000 };
      client.faults = { facts: new SpillwayError('timeout', 'its loop is busy') };
    };
  return story.goes(180, () => {
    agent.inFlight = story.judge.ready ? 2 : 0;
    let leftMiB: number | null = null;
    if (agent.inFlight && agent.alive()) {
      worked += 0.05;
      agent.liveMiB = keeps(worked);
      agent.garbageMiB += garbage / 20;
      if (agent.liveMiB + agent.garbageMiB >= (agent.liveMiB + HEAP_LIMIT_MIB) / 2) {
        agent.garbageMiB = 0;
        leftMiB = tells ? agent.liveMiB : null;
      }
    }
    story.hook = hookOf(agent, leftMiB);
  });
}

describe("an agent near the limit of V8's heap", () => {
  /** A cache fills up to 73 % of the limit. */
  const fills = (second: number) => Math.min(0.73 * HEAP_LIMIT_MIB, 50 + 9 * second);

  it.each([
    { garbage: 10, late: false },
    { garbage: 15, late: false },
    { garbage: 6, late: true }, // it is too busy to answer
    { garbage: 60, late: true, tells: true },
  ])('is not ended by its garbage: %o', async (kind) => {
    const story = await serves({ keeps: fills, ...kind });
    expect(story.agent.signals).toEqual([]);
  });

  it('is ended as what it keeps grows on', async () => {
    const story = await serves({ keeps: (second) => 50 + 3 * second, garbage: 6 });
    expect(story.exporters.recycled).toEqual(['ended']);
  });

  it('is ended as what it keeps grows on, although it is too busy to answer', async () => {
    const story = await serves({ keeps: (second) => 50 + 3 * second, garbage: 6, late: true });
    expect(story.exporters.recycled).toEqual(['ended']);
  });

  it("is ended as what V8 itself leaves grows on, although it is too busy to answer, before more than the gate's line of it is live", async () => {
    let leftMiB = 0;
    const keeps = (second: number) => {
      leftMiB = 50 + 3 * second;
      return leftMiB;
    };
    const story = await serves({ keeps, garbage: 60, late: true, tells: true });
    expect(story.exporters.recycled).toEqual(['ended']);
    expect(leftMiB).toBeLessThan(0.85 * HEAP_LIMIT_MIB);
  });

  it('is let be where its heap empties while it is drained', async () => {
    const story = startInLarge();
    const { agent } = story;
    agent.inFlight = 2;
    while (story.judge.ready && agent.liveMiB < HEAP_LIMIT_MIB)
      await story.goes(0.05, () => {
        agent.liveMiB += 0.15;
        story.hook = hookOf(agent);
      });
    expect(story.remedy('recycle').code).toBe('recycling');
    expect(story.judge.level, 'where only growth with pauses ends an agent with work in flight').toBe(
      'warning',
    );
    const tells = (seconds: number) =>
      story.goes(seconds, () => {
        story.hook = hookOf(agent);
      });
    agent.otherMiB += agent.liveMiB - 100; // V8 keeps the pages
    agent.liveMiB = 100;
    await tells(2);
    agent.inFlight = 0;
    await tells(3);
    expect(story.exporters.recycled).toEqual(['cancelled']);
    expect(agent.signals).toEqual([]);
  });

  it('is ready again once its hook tells that its heap has emptied, where nobody asks', async () => {
    const story = startInLarge({ gc: 'off' });
    const { agent } = story;
    const tells = (seconds: number, liveMiB: number) =>
      story.goes(seconds, () => {
        agent.liveMiB = liveMiB;
        story.hook = hookOf(agent);
      });
    await tells(10, 100);
    await tells(10, 0.94 * HEAP_LIMIT_MIB);
    expect(story.judge.level).toBe('critical');
    agent.otherMiB += 0.94 * HEAP_LIMIT_MIB - 100; // V8 keeps the pages
    await tells(8, 100);
    expect(story.judge.level).toBe('ok');
  });
});
