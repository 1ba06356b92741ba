import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/options.ts';
import { FakeAgent } from '../support/fake-agent.ts';
import { NO_REMEDIES } from '../support/options.ts';
import { type Story, startStory } from '../support/story.ts';

const UNREADABLE = 'memory.current cannot be read (ENODEV)';

/** An agent with work in flight: nothing but a fall makes it ready again. */
function watched(options: Partial<Config> = {}): Story {
  const story = startStory({ options: { ...NO_REMEDIES, ...options } });
  story.agent.inFlight = 2;
  return story;
}

describe('pressure', () => {
  it('rises, is held, falls too little, falls enough', async () => {
    const story = await watched().holds(20, 200);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true, blind: false });

    await story.holds(1, () => 0.76 * 512);
    expect(story.judge).toMatchObject({ level: 'warning', ready: true });
    await story.holds(1, 0.86 * 512);
    expect(story.judge).toMatchObject({ level: 'shedding', ready: false });
    await story.holds(10, 0.81 * 512);
    expect(story.judge, 'within the margin').toMatchObject({ level: 'shedding', ready: false });
    await story.holds(1, 0.79 * 512);
    expect(story.judge).toMatchObject({ level: 'warning', ready: true });
    await story.holds(6, 0.3 * 512);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true });
    expect(story.exporters.takeReasons().filter((reason) => reason !== 'MemoryLimitForecast')).toEqual([
      'MemoryPressureWarning',
      'MemoryPressureShedding',
      'MemoryPressureWarning',
      'MemoryPressureRecovered',
    ]);
  });

  it('is none when page cache fills the limit', async () => {
    const story = watched();
    story.agent.cacheMiB = 450;
    await story.holds(30, 60);
    expect(story.judge.level).toBe('ok');
    expect(story.exporters.takeReasons()).toEqual([]);
  });

  it('ends when the limit is raised', async () => {
    const story = await watched().holds(6, 480);
    expect(story.judge.level).toBe('critical');
    story.agent.limitMiB = 1024;
    await story.holds(1, 480);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true });
  });

  it('comes within half a second when the limit is lowered under the use', async () => {
    const story = await watched().holds(10, 300);
    story.agent.limitMiB = 256;
    await story.holds(0.5, 300);
    expect(story.judge).toMatchObject({ level: 'critical', ready: false });
  });
});

describe('being un-ready without gain', () => {
  it('ends after max-unready: the agent is stuck, and ready again', async () => {
    const story = await watched().holds(59, 450);
    expect(story.judge).toMatchObject({ ready: false, stuck: false });
    await story.holds(2, 450);
    expect(story.judge).toMatchObject({ level: 'shedding', ready: true, stuck: true });
    expect(story.exporters.takeReasons()).toContain('AgentStuck');
    await story.holds(120, 450);
    expect(story.exporters.takeReasons(), 'told once').not.toContain('AgentStuck');
  });

  it('is tried once more at critical, and the event says so', async () => {
    const story = await watched().holds(70, 450);
    expect(story.judge).toMatchObject({ ready: true, stuck: true });
    await story.holds(0.05, 480);
    expect(story.judge).toMatchObject({ level: 'critical', ready: false });
    expect(story.notes('MemoryPressureCritical')).toHaveLength(1);
  });

  it('goes on while memory still falls', async () => {
    const story = await watched().holds(100, (s) => 470 - s * 0.3);
    expect(story.judge).toMatchObject({ level: 'shedding', ready: false, stuck: false });
  });
});

describe('blindness', () => {
  it('opens readiness, is reported when it lasts, and ends with the next reading', async () => {
    const story = await watched().holds(10, 460);
    expect(story.judge.ready).toBe(false);
    story.exporters.takeReasons();
    story.agent.failure = UNREADABLE;
    await story.goes(0.9);
    expect(story.judge, 'a gap is no blindness').toMatchObject({ blind: false, ready: false });
    await story.goes(0.2);
    expect(story.judge).toMatchObject({ blind: true, ready: true, level: 'ok' });
    expect(story.view.status().reason).toBe(UNREADABLE);
    expect(story.exporters.takeReasons()).toEqual([]);
    await story.goes(6);
    expect(story.exporters.takeReasons()).toEqual(['GuardianBlind']);
    await story.goes(60);
    expect(story.exporters.takeReasons(), 'told once').toEqual([]);
    story.agent.failure = undefined;
    await story.holds(1, 460);
    expect(story.judge).toMatchObject({ blind: false, ready: false, level: 'shedding' });
    expect(story.guardian.loop.healthy).toBe(true);
  });

  it('closes readiness where that was asked for', async () => {
    const story = await watched({ onBlind: 'unready' }).holds(10, 100);
    story.agent.failure = UNREADABLE;
    await story.goes(2);
    expect(story.judge).toMatchObject({ blind: true, ready: false });
  });
});

describe('a restart of the agent', () => {
  it('starts from nothing: no level, no growth, no stuckness of the one before', async () => {
    const story = await watched().holds(60, (s) => 100 + s * 6.4);
    expect(story.judge.level).toBe('critical');
    story.exporters.takeReasons();
    story.agent.dies({ exitCode: null, signal: null });
    await story.goes(0.1);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true });
    expect(story.exporters.takeReasons()).toEqual(['AgentExited', 'MemoryPressureRecovered']);
    story.restarts(new FakeAgent(8));
    await story.holds(1, 50);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true, blind: false });
    expect(story.judge.outlook.secondsToLimit).toBeNull();
  });
});

describe('a limit that comes nearer', () => {
  it('is forecast once, in time', async () => {
    const story = await watched().holds(150, (s) => 100 + s * 2.5);
    const forecast = story.exporters.events.filter(({ reason }) => reason === 'MemoryLimitForecast');
    expect(forecast).toHaveLength(1);
    const kill = (512 - 100) / 2.5;
    const second = (Date.parse(forecast[0]?.at ?? '') - story.clock.wallOffsetMs) / 1000;
    expect(kill - second).toBeGreaterThan(40);
  });

  it('is not forecast for a saw-tooth without a trend, once its first teeth are known', async () => {
    const saw = (s: number) => 200 + (s % 15) * 8;
    const story = await watched().holds(60, saw);
    story.exporters.takeReasons();
    await story.holds(300, saw);
    expect(story.exporters.takeReasons()).toEqual([]);
  });
});
