import { describe, expect, it } from 'vitest';
import { Story } from '../support/story.ts';

describe('pressure', () => {
  it('rises, is held, falls too little, falls enough', () => {
    const story = new Story().stays(20, 200);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true, blind: false });

    story.goes(1, () => 0.76 * 512);
    expect(story.judge).toMatchObject({ level: 'warning', ready: true });
    story.stays(1, 0.86 * 512);
    expect(story.judge).toMatchObject({ level: 'shedding', ready: false });
    story.stays(10, 0.81 * 512);
    expect(story.judge, 'within the margin').toMatchObject({ level: 'shedding', ready: false });
    story.stays(1, 0.79 * 512);
    expect(story.judge).toMatchObject({ level: 'warning', ready: true });
    story.stays(6, 0.3 * 512);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true });
    expect(story.news().filter((reason) => reason !== 'MemoryLimitForecast')).toEqual([
      'MemoryPressureWarning',
      'MemoryPressureShedding',
      'MemoryPressureWarning',
      'MemoryPressureRecovered',
    ]);
  });

  it('that swings about a threshold is told once per hold, not once per swing', () => {
    const story = new Story({ recoverMargin: 0 }).goes(60, (s) => 512 * (0.85 + 0.02 * Math.sin(s * 9)));
    const shedding = story.news().filter((reason) => reason === 'MemoryPressureShedding');
    expect(shedding.length).toBeLessThanOrEqual(60 / 5 + 1);
  });

  it('is none when page cache fills the limit', () => {
    const story = new Story().stays(30, 60, 450);
    expect(story.judge.level).toBe('ok');
    expect(story.news()).toEqual([]);
  });

  it('ends when the limit is raised', () => {
    const story = new Story().stays(6, 480);
    expect(story.judge.level).toBe('critical');
    story.limitMiB = 1024;
    story.stays(1, 480);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true });
  });

  it('comes at once when the limit is lowered under the use', () => {
    const story = new Story().stays(10, 300);
    story.limitMiB = 256;
    story.stays(0.05, 300);
    expect(story.judge).toMatchObject({ level: 'critical', ready: false });
  });

  it('says in words and numbers what, how much and what follows', () => {
    const story = new Story().stays(5, 200).stays(1, 440);
    const note = story.told.find(({ reason }) => reason === 'MemoryPressureShedding')?.note;
    expect(note).toMatch(/86 % of the limit: 440 MiB of 512 MiB unreclaimable/);
    expect(note).toMatch(/ends below 80 %/);
  });
});

describe('being un-ready without gain', () => {
  it('ends after max-unready: the agent is stuck, and ready again', () => {
    const story = new Story().stays(59, 450);
    expect(story.judge).toMatchObject({ ready: false, stuck: false });
    story.stays(2, 450);
    expect(story.judge).toMatchObject({ level: 'shedding', ready: true, stuck: true });
    expect(story.news()).toContain('AgentStuck');
    story.stays(120, 450);
    expect(story.news(), 'told once').not.toContain('AgentStuck');
  });

  it('is tried once more at critical, and the event says so', () => {
    const story = new Story().stays(70, 450);
    expect(story.judge).toMatchObject({ ready: true, stuck: true });
    story.stays(0.05, 480);
    expect(story.judge).toMatchObject({ level: 'critical', ready: false });
    expect(story.told.map(({ reason }) => reason)).toContain('MemoryPressureCritical');
  });

  it('goes on while memory still falls', () => {
    const story = new Story().goes(100, (s) => 470 - s * 0.3);
    expect(story.judge).toMatchObject({ level: 'shedding', ready: false, stuck: false });
  });

  it('counts anew after a recovery', () => {
    const story = new Story().stays(70, 450).stays(10, 100).stays(30, 450);
    expect(story.judge).toMatchObject({ ready: false, stuck: false });
  });
});

describe('blindness', () => {
  it('opens readiness, is told when it lasts, and ends with the next reading', () => {
    const story = new Story().stays(10, 460);
    expect(story.judge.ready).toBe(false);
    story.news();
    story.blind(0.9);
    expect(story.judge, 'a gap is no blindness').toMatchObject({ blind: false, ready: false });
    story.blind(0.2);
    expect(story.judge).toMatchObject({ blind: true, ready: true, level: 'ok' });
    expect(story.news()).toEqual([]);
    story.blind(6);
    expect(story.news()).toEqual(['GuardianBlind']);
    story.blind(60);
    expect(story.news(), 'told once').toEqual([]);
    story.stays(1, 460);
    expect(story.judge).toMatchObject({ blind: false, ready: false, level: 'shedding' });
  });

  it('closes readiness where that was asked for', () => {
    const story = new Story({ onBlind: 'unready' }).stays(10, 100).blind(2);
    expect(story.judge).toMatchObject({ blind: true, ready: false });
  });
});

describe('a restart of the agent', () => {
  it('starts from nothing: no level, no growth, no stuckness of the one before', () => {
    const story = new Story().goes(60, (s) => 100 + s * 6.4);
    expect(story.judge.level).toBe('critical');
    story.news();
    story.agentDies();
    expect(story.judge).toMatchObject({ level: 'ok', ready: true });
    expect(story.news()).toEqual(['MemoryPressureRecovered']);
    story.stays(1, 50);
    expect(story.judge).toMatchObject({ level: 'ok', ready: true, blind: false });
    expect(story.judge.outlook.secondsToLimit).toBeNull();
  });
});

describe('a limit that comes nearer', () => {
  it('is forecast once, in time', () => {
    const story = new Story().goes(150, (s) => 100 + s * 2.5);
    const forecast = story.told.filter(({ reason }) => reason === 'MemoryLimitForecast');
    expect(forecast).toHaveLength(1);
    const kill = (512 - 100) / 2.5;
    expect(kill - (forecast[0]?.second ?? kill)).toBeGreaterThan(40);
  });

  it('is not forecast for a saw-tooth without a trend, once its first teeth are known', () => {
    const saw = (s: number) => 200 + (s % 15) * 8;
    const story = new Story().goes(60, saw);
    story.news();
    story.goes(300, saw);
    expect(story.news()).toEqual([]);
  });
});
