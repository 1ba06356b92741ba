import { describe, expect, it, vi } from 'vitest';
import type { GuardianEvent } from '../../src/core/model/events.ts';
import type { Remedy } from '../../src/core/ports/ports.ts';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import type { StatusView } from '../../src/core/report/status-view.ts';
import type { Guardian } from '../../src/guardian.ts';
import { FakeAgent } from '../support/fake-agent.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { NO_REMEDIES } from '../support/options.ts';
import { MiB } from '../support/reading.ts';
import type { RecordingExporters } from '../support/recording-exporters.ts';
import { NO_AGENT, type Story, startStory } from '../support/story.ts';

const CHROMIUM = { pid: 11, name: 'chromium', rssBytes: 300 * MiB };

let story: Story;
let clock: FakeClock;
let guardian: Guardian;
let view: StatusView;
let exporters: RecordingExporters;
let events: GuardianEvent[];
let deaths: PostMortem[];

/** Begins a story of the loop alone; work is in flight, so that nothing but a fall makes the agent ready. */
function guard(agent: FakeAgent | null = new FakeAgent()): FakeAgent {
  story = startStory({ options: NO_REMEDIES, agent });
  ({ clock, guardian, view, exporters } = story);
  ({ events, deaths } = exporters);
  story.agent.inFlight = 2;
  return story.agent;
}
const reasons = () => exporters.takeReasons();
/** The processes that an event names, in order: who was killed, and the agent that lives on. */
const pidsIn = (event?: GuardianEvent) =>
  [...(event?.note ?? '').matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));

describe('finding the agent', () => {
  it('goes on looking, says why there is none, and is blind but ready meanwhile', async () => {
    guard(null);
    await clock.advance(3000);
    expect(view.status()).toMatchObject({
      blind: true,
      ready: true,
      agent: null,
      ratio: null,
      reason: NO_AGENT,
    });
    await clock.advance(3000);
    expect(reasons()).toEqual(['GuardianBlind']);
    story.restarts(new FakeAgent());
    await clock.advance(300);
    expect(view.status()).toMatchObject({
      blind: false,
      agent: { pid: 7, restarts: 0 },
      rssBytes: 80 * MiB,
    });
  });

  it('finds it again within a second after a restart', async () => {
    const first = guard();
    await clock.advance(2000);
    first.dies({ exitCode: 1, signal: null });
    await clock.advance(400);
    story.restarts(new FakeAgent(8));
    await clock.advance(300);
    expect(view.status().agent).toEqual({ pid: 8, name: 'agent.js', runtime: 'node', restarts: 1 });
    expect(first.closed).toBe(true);
    expect(exporters.restarts).toBe(1);
  });

  it('counts no restart where another container follows: an init container has done its part', async () => {
    const first = guard();
    const agent = new FakeAgent(8);
    agent.anotherContainer = true;
    await clock.advance(2000);
    first.dies({ exitCode: 0, signal: null });
    story.restarts(agent);
    await clock.advance(1000);
    expect(view.status().agent).toMatchObject({ pid: 8, restarts: 0 });
    expect(exporters.restarts).toBe(0);
  });
});

describe('a death', () => {
  it('by the kernel is told, reported with what came before, and served after', async () => {
    const life = guard();
    for (let mib = 100; mib <= 500; mib += 10) {
      life.heldMiB = mib;
      await clock.advance(100);
    }
    life.kills = 1;
    life.heldMiB = 90; // the kernel takes the memory back before the process is gone
    await clock.advance(60);
    life.dies({ exitCode: null, signal: null });
    await clock.advance(250);
    expect(deaths).toHaveLength(1);
    const [report] = deaths;
    expect(report).toMatchObject({
      cause: 'oom-killed',
      oomKills: 1,
      agent: { pid: 7 },
      guardianVersion: '1.2.3',
    });
    expect(report?.reason).toMatch(/9[78] %/);
    expect(report?.transitions.map(({ to }) => to)).toEqual(['warning', 'shedding', 'critical']);
    expect(report?.readings.length).toBeGreaterThan(50);
    expect(reasons().filter((reason) => reason !== 'MemoryLimitForecast')).toEqual([
      'MemoryPressureWarning',
      'MemoryPressureShedding',
      'MemoryPressureCritical',
      'AgentOOMKilled',
      'MemoryPressureRecovered',
    ]);
    expect(view.status()).toMatchObject({ agent: null, oomKills: 1, lastDeath: { cause: 'oom-killed' } });
  });

  it('that takes its time is not taken for a recovery', async () => {
    const life = guard();
    life.heldMiB = 490;
    await clock.advance(20_000); // longer than any hold
    life.kills = 1;
    life.heldMiB = 20;
    await clock.advance(400);
    life.dies({ exitCode: null, signal: 'SIGKILL' });
    await clock.advance(250);
    const atTheEnd = reasons().filter((reason) => /Killed|Recovered/.test(reason));
    expect(atTheEnd).toEqual(['AgentOOMKilled', 'MemoryPressureRecovered']);
  });

  it('by itself is told as an exit', async () => {
    const life = guard();
    await clock.advance(1000);
    life.dies({ exitCode: 0, signal: null });
    await clock.advance(60);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ reason: 'AgentExited', type: 'Normal' });
    expect(deaths[0]).toMatchObject({ cause: 'exit', exitCode: 0 });
  });

  it('that the guardian had a part in is a warning, whatever its exit code, and the report says so', async () => {
    const life = guard();
    story.remediation.ended = () => 'It ended 1 s after a signal.';
    await clock.advance(1000);
    life.dies({ exitCode: 0, signal: null });
    await clock.advance(60);
    const said = expect.stringContaining('. It ended 1 s after a signal.');
    expect(events).toMatchObject([{ reason: 'AgentExited', type: 'Warning', note: said }]);
    expect(deaths).toMatchObject([{ exitCode: 0, reason: said }]);
  });

  it('of which nothing can be seen is a warning only under pressure', async () => {
    const calm = guard();
    const pressed = new FakeAgent(8);
    story.restarts(pressed);
    await clock.advance(1000);
    calm.dies({ exitCode: null, signal: null });
    await clock.advance(1000);
    expect(events).toMatchObject([{ reason: 'AgentExited', type: 'Normal' }]);
    pressed.heldMiB = 400;
    await clock.advance(1000);
    events.length = 0;
    pressed.dies({ exitCode: null, signal: null });
    await clock.advance(1000);
    expect(events).toContainEqual(expect.objectContaining({ reason: 'AgentExited', type: 'Warning' }));
  });

  it('seen only while ending is reported, too', async () => {
    const life = guard();
    await clock.advance(1000);
    life.dies({ exitCode: null, signal: 'SIGTERM' });
    guardian.stop();
    guardian.stop();
    expect(deaths).toHaveLength(1);
  });
});

describe('a kill in the cgroup', () => {
  it('that the agent survives was that of a child, named where it was known', async () => {
    const life = guard();
    life.children = [CHROMIUM];
    await clock.advance(2000);
    life.kills = 1;
    life.children = [];
    await clock.advance(1200);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ reason: 'AgentOOMKilled' });
    expect(pidsIn(events[0])).toEqual([11, 7]);
    expect(events[0]?.note).toContain('chromium (pid 11, 300 MiB)');
    expect(view.status()).toMatchObject({ oomKills: 1, agent: { pid: 7 } });
    await clock.advance(5000);
    expect(events).toHaveLength(1);
  });

  it('of a child among many more processes than are named names that child alone', async () => {
    const life = guard();
    const small = Array.from({ length: 30 }, (_, i) => ({ pid: 100 + i, name: 'tool', rssBytes: 30 - i }));
    life.children = small;
    await clock.advance(2000);
    life.kills = 1;
    // two new ones push others out of the biggest 20, and the last of those named before is gone
    const grown = [200, 201].map((pid) => ({ pid, name: 'new', rssBytes: 40 }));
    life.children = [...grown, ...small.filter(({ pid }) => pid !== 118)];
    await clock.advance(1200);
    expect(pidsIn(events[0])).toEqual([118, 7]);
    expect(events[0]?.note).toContain('tool (pid 118, 12 B)');
  });

  it('that follow each other neither hold up the judgement nor the event', async () => {
    const life = guard();
    life.heldMiB = 500;
    await clock.advance(2000);
    expect(view.status().level).toBe('critical');
    events.length = 0;
    life.heldMiB = 270;
    for (let i = 0; i < 60; i++) {
      life.kills = i + 1;
      await clock.advance(400);
    }
    expect(view.status()).toMatchObject({ level: 'ok', ready: true });
    const told = events.filter(({ reason }) => reason === 'AgentOOMKilled');
    expect(told.length).toBeGreaterThanOrEqual(4);
    expect(told.length).toBeLessThanOrEqual(6);
    const counts = told.map(({ status }) => status.oomKills);
    const last = (counts.at(-1) ?? 0) - (counts.at(-2) ?? 0);
    expect(last, 'in one event').toBeGreaterThanOrEqual(10);
    expect(told.at(-1)?.note).toContain(` ${last} `);
    await clock.advance(6000);
    expect(view.status().oomKills).toBe(60);
  });

  it('of a stranger in a cgroup that the agent shares is none of its own', async () => {
    const life = guard();
    life.sharesGroup = true;
    life.children = [CHROMIUM];
    await clock.advance(2000);
    life.kills = 2;
    await clock.advance(6000);
    expect(events).toEqual([]);
    expect(view.status().oomKills).toBe(0);
    life.kills = 4; // one of these is its child
    life.children = [];
    await clock.advance(2000);
    expect(pidsIn(events[0])).toEqual([11, 7]);
    expect(view.status().oomKills).toBe(1);
  });

  it('that takes seconds to give back what it held is that of the agent all the same', async () => {
    const life = guard();
    await clock.advance(2000);
    life.kills = 2;
    life.slowDeath = true;
    await clock.advance(3000);
    expect(events).toEqual([]);
    life.dies({ exitCode: null, signal: 'SIGKILL' });
    await clock.advance(1000);
    expect(events[0]).toMatchObject({
      reason: 'AgentOOMKilled',
      status: { lastDeath: { cause: 'oom-killed' } },
    });
    expect(deaths).toMatchObject([{ cause: 'oom-killed', oomKills: 2 }]);
  });

  it('from before the guardian came is not counted', async () => {
    const life = new FakeAgent();
    life.kills = 41;
    guard(life);
    await clock.advance(2000);
    expect(view.status().oomKills).toBe(0);
    expect(events).toEqual([]);
  });
});

describe('telling', () => {
  it('streams a reading a second, and status and advice on each change of level', async () => {
    const life = guard();
    await clock.advance(10_000);
    expect(exporters.streamed.filter((event) => event === 'reading').length).toBeGreaterThanOrEqual(9);
    expect(exporters.streamed).not.toContain('status');
    life.heldMiB = 440;
    await clock.advance(100);
    const changes = exporters.streamed.filter((event) => event !== 'reading');
    expect(changes).toEqual(['status', 'advice']);
    const { status, at } = events.find(({ reason }) => reason === 'MemoryPressureShedding') ?? {};
    expect(status).toMatchObject({ level: 'shedding', ready: false, since: at });
  });

  it('keeps a flight recording while pressure lasts', async () => {
    const life = guard();
    life.heldMiB = 440;
    await clock.advance(3000);
    expect(exporters.flights.length).toBeGreaterThanOrEqual(3);
    expect(exporters.flights.at(-1)?.().status.level).toBe('shedding');
    life.heldMiB = 10;
    await clock.advance(6000);
    expect(exporters.flightsDone).toBe(1);
  });
});

describe('which limit is meant', () => {
  it.each([
    ['container', {}],
    ['heap', { limitMiB: 1024, heapLimitMiB: 259 }],
  ])('is said of a forecast: %s', async (name, limits) => {
    const agent = Object.assign(new FakeAgent(), limits);
    story = await startStory({ options: { recycle: 'off', profile: 'off' }, agent }).goes(20);
    const forecast = () => story.exporters.events.find(({ reason }) => reason === 'MemoryLimitForecast');
    for (let i = 0; i < 400 && !forecast(); i++) {
      agent.liveMiB += 1;
      await story.goes(0.1);
    }
    expect(forecast()?.status.limitedBy).toBe(name);
    expect(story.view.status()).toMatchObject({ limitedBy: name, secondsToLimit: expect.any(Number) });
  });
});

describe('the loop', () => {
  it('says once, not at every tick, that its ticks fail, and opens readiness meanwhile', async () => {
    const life = guard();
    life.heldMiB = 440;
    await clock.advance(1000);
    expect(view.status().ready).toBe(false);
    exporters.logged.length = 0;
    const { alive } = life;
    life.alive = () => {
      throw new Error('/proc/7 cannot be read: EIO');
    };
    await clock.advance(2000);
    expect(exporters.warnings).toEqual(['a tick failed: /proc/7 cannot be read: EIO']);
    expect(view.status()).toMatchObject({ blind: true, ready: true });
    expect(exporters.transitions, 'the change of level is reported').toMatchObject([
      { to: 'shedding' },
      { to: 'ok' },
    ]);
    life.alive = alive;
    await clock.advance(100);
    expect(view.status()).toMatchObject({ blind: false, agent: { pid: 7 } });
  });

  it('takes work again once draining is called off, also while its ticks fail', async () => {
    const life = guard();
    await clock.advance(500);
    story.remediation.draining = () => 'being ended';
    await clock.advance(100);
    expect(view.status()).toMatchObject({ ready: false, recycling: true });
    life.alive = () => {
      throw new Error('/proc/7 cannot be read: EIO');
    };
    story.remediation.draining = () => null;
    await clock.advance(2000);
    expect(view.status()).toMatchObject({ ready: true, recycling: false });
  });

  it('reports what remedies have found by the time everything ends', async () => {
    guard();
    await clock.advance(500);
    guardian.stop();
    story.remediation.findings = () => [{ reason: 'AgentRecycled', note: 'Recycled.' }];
    guardian.stop();
    expect(events.map(({ reason }) => reason)).toContain('AgentRecycled');
  });

  it('is not moved by steps of the wall clock', async () => {
    const life = guard();
    life.heldMiB = 440;
    await clock.advance(1000);
    clock.wallOffsetMs -= 3600_000 * 24;
    await clock.advance(1000);
    clock.wallOffsetMs += 3600_000 * 48;
    await clock.advance(1000);
    expect(view.status()).toMatchObject({
      level: 'shedding',
      ready: false,
      secondsToLimit: null,
      leakSuspected: false,
    });
    life.heldMiB = 10;
    await clock.advance(1500);
    expect(view.status().level, 'the hold is of monotonic time').toBe('shedding');
    await clock.advance(1200);
    expect(view.status().level).toBe('ok');
  });

  it('spares an agent at rest all but one whole reading a second, and none that moves', async () => {
    const life = guard();
    await clock.advance(10_000);
    expect(life.reads).toBeGreaterThanOrEqual(10);
    expect(life.reads).toBeLessThanOrEqual(14);
    life.heldMiB = 440;
    await clock.advance(100);
    expect(view.status()).toMatchObject({ level: 'shedding', ready: false });
    life.reads = 0;
    await clock.advance(2000);
    expect(life.reads, 'near the line every sample counts').toBeGreaterThanOrEqual(90);
  });

  it('takes an overdue sample when a request asks for it', async () => {
    const life = guard();
    await clock.advance(1000);
    life.heldMiB = 500;
    clock.nowMs += 200; // the event loop was busy: no timer ran
    guardian.loop.tickIfDue();
    expect(view.status().level).toBe('critical');
    const { version } = view;
    guardian.loop.tickIfDue();
    expect(view.version).toBe(version);
  });

  it('is un-ready, whatever the level, while new work should go elsewhere, and never for the agent that follows', async () => {
    let crowded = false;
    const gate: Remedy = {
      attend() {},
      findings: () => [],
      draining: () => null,
      get crowded() {
        return crowded;
      },
      status: () => ({ name: 'gate', state: 'idle', code: 'admitting', why: 'a test' }),
      end: async () => {},
    };
    const { judge, clock, agent } = startStory({ options: NO_REMEDIES, remedies: [gate] });
    const readyAt = async (value: boolean) => {
      crowded = value;
      await clock.advance(1100);
      return judge.ready;
    };
    expect([await readyAt(false), await readyAt(true), await readyAt(false)]).toEqual([true, false, true]);
    expect(await readyAt(true)).toBe(false);
    crowded = false;
    agent.dies();
    await clock.advance(300);
    expect(judge.ready).toBe(true);
  });

  it('opens where nothing can be read any more, although so many waited when it could', async () => {
    const gate: Remedy = {
      attend() {},
      findings: () => [],
      draining: () => null,
      crowded: true,
      status: () => ({ name: 'gate', state: 'idle', code: 'admitting', why: 'a test' }),
      end: async () => {},
    };
    const { judge, clock, agent } = startStory({ options: NO_REMEDIES, remedies: [gate] });
    await clock.advance(1100);
    expect(judge.ready).toBe(false);
    agent.failure = 'EACCES';
    await clock.advance(3000);
    expect(judge.ready).toBe(true);
  });

  it('counts a change of what a remedy does, also while nothing can be read', async () => {
    let code = 'calling';
    const hook: Remedy = {
      attend() {},
      findings: () => [],
      draining: () => null,
      status: () => ({ name: 'hook', state: 'idle', code, why: code }),
      end: async () => {},
    };
    const { view, clock, agent } = startStory({ options: NO_REMEDIES, remedies: [hook] });
    agent.failure = 'EACCES';
    await clock.advance(3000);
    expect(view.status()).toMatchObject({ blind: true });
    const { version } = view;
    code = 'answered';
    await clock.advance(100);
    expect(view.version).not.toBe(version);
  });
});

describe('stopping', () => {
  it('samples no processes of an agent that is no longer followed', async () => {
    const agent = new FakeAgent();
    const tree = vi.spyOn(agent, 'tree');
    guard(agent);
    guardian.stop();
    await clock.advance(500);
    expect(agent.closed).toBe(true);
    expect(tree).not.toHaveBeenCalled();
  });
});
