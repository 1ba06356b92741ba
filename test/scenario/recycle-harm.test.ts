import { describe, expect, it } from 'vitest';
import { turnOf } from '../../src/core/recycle/turn.ts';
import { normal, random, tooth } from '../support/memory-stories.ts';
import { startStory } from '../support/story.ts';

const LIMIT_MIB = 512;
const DRAWS = 10;
/** A draw's use in MiB at a second of its life, and what is in work; the last second of growth, where it ends. */
interface Draw {
  name: string;
  held: (second: number) => number;
  inFlight: number | null;
  seconds: number;
}

const between = (uniform: () => number, low: number, high: number) => low + (high - low) * uniform();
const share = (ratio: number) => ratio * LIMIT_MIB;
const draws = (make: (uniform: () => number) => Draw) =>
  Array.from({ length: DRAWS }, (_, i) => {
    const draw = make(random(i + 1));
    return [`${i + 1}: ${draw.name}`, draw] as const;
  });
const inFlightOf = (uniform: () => number) => [0, 1, 5, null][Math.floor(uniform() * 4)] ?? null;

/** Until it is ended or killed, or the time is over. */
async function live({ held, inFlight, seconds }: Draw) {
  const story = startStory({ options: { recycle: 'on', profile: 'off' } });
  const { agent } = story;
  const seen = { killedAt: null as number | null, endedAt: null as number | null };
  for (let second = 0; second < seconds; second += 0.05) {
    agent.inFlight = inFlight;
    agent.liveMiB = Math.max(0, held(second) - agent.otherMiB);
    if (agent.heldMiB >= LIMIT_MIB) seen.killedAt = second;
    await story.goes(0.05);
    if (story.agent.signals.length > 0) seen.endedAt = second;
    if (seen.killedAt !== null || seen.endedAt !== null) break;
  }
  return { ...seen, story };
}

describe('agents that would not be killed are not ended', () => {
  it.each(
    draws((uniform) => {
      const [from, to] = [between(uniform, 0.2, 0.6), between(uniform, 0.7, 0.93)];
      const seconds = 10 ** between(uniform, 0, 2);
      const noise = between(uniform, 0, 3);
      return {
        name: `fills from ${from.toFixed(2)} to ${to.toFixed(2)} within ${seconds.toFixed(1)} s and rests`,
        held: (s) =>
          share(from + (to - from) * Math.min(1, Math.max(0, (s - 30) / seconds))) + noise * normal(uniform),
        inFlight: inFlightOf(uniform),
        seconds: 120 + seconds,
      };
    }),
  )('%s', async (_, draw) => {
    expect(await live(draw)).toMatchObject({ endedAt: null, killedAt: null });
  });

  it.each(
    draws((uniform) => {
      const [floor, top] = [between(uniform, 0.3, 0.7), between(uniform, 0.75, 0.97)];
      const periodMs = 10 ** between(uniform, 3, 4.5);
      return {
        name: `teeth from ${floor.toFixed(2)} to ${top.toFixed(2)} each ${(periodMs / 1000).toFixed(1)} s`,
        held: (s) => share(floor + (top - floor) * tooth(s * 1000, periodMs)) + 0.5 * normal(uniform),
        inFlight: inFlightOf(uniform),
        seconds: 240,
      };
    }),
  )('%s', async (_, draw) => {
    expect(await live(draw)).toMatchObject({ endedAt: null, killedAt: null });
  });

  it.each(
    draws((uniform) => {
      const rest = between(uniform, 0.7, 0.96);
      const [noise, wander] = [between(uniform, 0.1, 3), between(uniform, 0, 0.015)];
      const periodMs = 10 ** between(uniform, 3.5, 5);
      return {
        name: `rests about ${rest.toFixed(2)}, ${wander.toFixed(3)} up and down`,
        held: (s) =>
          share(rest + wander * Math.sin((s * 2000 * Math.PI) / periodMs)) + noise * normal(uniform),
        inFlight: inFlightOf(uniform),
        seconds: 240,
      };
    }),
  )('%s', async (_, draw) => {
    expect(await live(draw)).toMatchObject({ endedAt: null, killedAt: null });
  });
});

describe('agents that would be killed are ended before, and not long before', () => {
  it.each(
    draws((uniform) => {
      const from = between(uniform, 0.2, 0.8);
      const percent = 10 ** between(uniform, -1, 0.7);
      const noise = between(uniform, 0, 1.5);
      return {
        name: `${percent.toFixed(2)} % a second from ${from.toFixed(2)}`,
        held: (s) => share(from + (percent / 100) * Math.max(0, s - 30)) + noise * normal(uniform),
        inFlight: inFlightOf(uniform),
        seconds: 900,
      };
    }),
  )('%s', async (_, draw) => {
    const { endedAt, killedAt } = await live(draw);
    expect(killedAt).toBeNull();
    expect(draw.held(endedAt ?? 0) / LIMIT_MIB).toBeGreaterThan(0.75);
  });

  it.each(
    draws((uniform) => {
      const percent = 10 ** between(uniform, -1, 0);
      const [height, periodMs] = [between(uniform, 10, 60), 10 ** between(uniform, 3, 4)];
      return {
        name: `floors of ${height.toFixed(0)} MiB teeth each ${(periodMs / 1000).toFixed(1)} s rise ${percent.toFixed(2)} % a second`,
        held: (s) =>
          share(0.3 + (percent / 100) * s) + height * tooth(s * 1000, periodMs) + 0.3 * normal(uniform),
        inFlight: inFlightOf(uniform),
        seconds: 900,
      };
    }),
  )('%s', async (_, draw) => {
    const { endedAt, killedAt } = await live(draw);
    expect(killedAt).toBeNull();
    expect(endedAt).not.toBeNull();
  });

  it.each(
    draws((uniform) => {
      const stepMib = between(uniform, 2, 20);
      const everySeconds = between(uniform, 1, 6);
      const times: number[] = [];
      for (let at = 5; at < 900; at += everySeconds * -Math.log(1 - uniform())) times.push(at);
      return {
        name: `steps of ${stepMib.toFixed(0)} MiB about each ${everySeconds.toFixed(1)} s`,
        held: (s) => 120 + stepMib * times.filter((at) => at <= s).length,
        inFlight: inFlightOf(uniform),
        seconds: 900,
      };
    }),
  )('%s', async (_, draw) => {
    const { endedAt, killedAt } = await live(draw);
    expect(killedAt).toBeNull();
    expect(endedAt).not.toBeNull();
  });
});

describe('replicas of one workload that fill alike', () => {
  /** Seconds until SIGTERM of each; infinite for one that is killed before. */
  async function endedAt(count: number, mibPerSecond: number): Promise<number[]> {
    const ended: number[] = [];
    for (let i = 0; i < count; i++) {
      const turn = turnOf({ POD_NAME: `agents-7d9c5b8f4-${(i * 7919 + 12_345).toString(36)}` });
      const story = startStory({ turn });
      await story.goes(20);
      story.agent.liveMiB = 360;
      const startMs = story.clock.now();
      while (story.signalledMs.length === 0 && story.agent.heldMiB < story.agent.limitMiB) {
        story.agent.liveMiB += mibPerSecond / 20;
        await story.goes(0.05);
      }
      ended.push(((story.signalledMs[0] ?? Number.POSITIVE_INFINITY) - startMs) / 1000);
    }
    return ended.sort((a, b) => a - b);
  }

  it.each([1, 3])('end in turn at %i MiB/s, each before it would be killed', async (rate) => {
    const ended = await endedAt(10, rate);
    expect(ended.at(-1)).toBeLessThan(Number.POSITIVE_INFINITY);
    const most = Math.max(...ended.map((from) => ended.filter((at) => at >= from && at < from + 3).length));
    expect(most, `within 3 s: ${ended.map(Math.round).join(' ')}`).toBeLessThanOrEqual(5);
    expect((ended.at(-1) ?? 0) - (ended[0] ?? 0)).toBeGreaterThan(12);
  });
});

describe('an agent that leaks, and fills and empties its heap beside that', () => {
  it.each([
    10, 15,
  ])('by %i MiB/s is ended gracefully: collections that free nothing do not put it off until the kill', async (rate) => {
    const story = startStory({ options: { profile: 'off' }, turn: 0.5 });
    const { agent } = story;
    story.prepare = (client) => {
      client.takesMs = { facts: 3, collect: 130 };
    };
    await story.goes(20);
    agent.liveMiB = 380;
    for (let i = 0; i < 2000 && agent.alive() && agent.heldMiB < agent.limitMiB; i++) {
      agent.liveMiB += rate / 100;
      agent.garbageMiB = (agent.garbageMiB + 0.6) % 14;
      agent.otherMiB = 34 - agent.garbageMiB; // pages that the heap keeps
      await story.clock.advance(10);
    }
    expect(agent.alive()).toBe(false);
    await story.goes(1);
    expect(story.exporters.recycled).toEqual(['ended']);
  });
});
