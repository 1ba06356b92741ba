import { beforeEach, describe, expect, it } from 'vitest';
import type { GuardianEvent } from '../../src/core/model/events.ts';
import type { GrowthReport } from '../../src/core/model/growth-report.ts';
import type { ExitFacts, TreeSample } from '../../src/core/model/process.ts';
import type { Level } from '../../src/core/model/status.ts';
import type { AgentProcess, Clock, Exporters, Remediation } from '../../src/core/ports/ports.ts';
import { HistoryStore } from '../../src/core/report/history.ts';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import { LoopStory } from '../support/guardian-of.ts';
import { NO_RELIEF } from '../support/relief.ts';
import { DEFAULTS, readingOf } from '../support/story.ts';

/** A clock that moves only when told to, and runs what is due on the way. */
class FakeClock implements Clock {
  nowMs = 0;
  wallOffsetMs = Date.parse('2026-01-01T00:00:00Z');
  #timers: { atMs: number; fn: () => void }[] = [];
  #ids = 0;
  now = () => this.nowMs;
  wallMs = () => this.nowMs + this.wallOffsetMs;
  newId = () => `id-${++this.#ids}`;
  setTimer = (fn: () => void, ms: number) => {
    const timer = { atMs: this.nowMs + ms, fn };
    this.#timers.push(timer);
    const cancel = () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
    return { cancel };
  };
  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.fn();
      await Promise.resolve(); // looks at processes answer on the next turn
      await Promise.resolve();
      await Promise.resolve();
    }
    this.nowMs = end;
  }
}

/** An agent whose memory, kills and end the story decides. */
class FakeLife implements AgentProcess {
  heldMiB = 100;
  kills: number | null = 0;
  dead: ExitFacts | undefined;
  failure: string | undefined;
  processes = [{ pid: 10, name: 'agent.js', rssBytes: 1 }];
  closed = false;
  readonly heapLimitBytes = null;
  readonly heapLimitSet = false;
  readonly info;
  readonly worker;
  constructor(pid: number, restarts = 0) {
    this.info = { pid, name: 'agent.js', runtime: 'node' as const, restarts };
    this.worker = { pid, runtime: 'node' as const };
  }
  alive = () => this.dead === undefined;
  slowDeath = false;
  /** Of another container than the life before. */
  another = false;
  sharesGroup = false;
  dying = () => this.slowDeath;
  read = (nowMs: number) => {
    if (this.failure) throw new Error(this.failure);
    this.reads++;
    return { ...readingOf(this.heldMiB), atMs: nowMs };
  };
  /** Whether a glance is enough to tell that nothing has moved; a whole reading is counted. */
  glances = false;
  reads = 0;
  usageOnly = () => (this.glances ? this.heldMiB * 2 ** 20 : null);
  oomKills = () => this.kills;
  degraded = () => [];
  tree = async (): Promise<TreeSample> => ({
    rssBytes: 50,
    cpuCores: 0.5,
    count: this.processes.length,
    processes: this.processes.slice(0, 20),
    pids: this.processes.map(({ pid }) => pid),
  });
  rssBytes = () => this.heldMiB * 2 ** 20;
  treeIntervalMs = () => 1000;
  exit = () => this.dead ?? { exitCode: null, signal: null };
  close = () => {
    this.closed = true;
  };
}

let clock: FakeClock;
let agents: FakeLife[];
let events: GuardianEvent[];
let deaths: PostMortem[];
let streamed: string[];
let flights: string[];
let logged: string[];
let levels: Level[];
let restarted: number;
let remediation: Remediation & { growth: GrowthReport | undefined };
let guardian: LoopStory;

beforeEach(() => {
  clock = new FakeClock();
  agents = [];
  events = [];
  deaths = [];
  streamed = [];
  flights = [];
  logged = [];
  levels = [];
  restarted = 0;
  remediation = { ...NO_RELIEF, growth: undefined };
  const exporters: Exporters = {
    emit: (event) => void events.push(event),
    log: (_level, message) => void logged.push(message),
    stream: (event) => void streamed.push(event),
    observeTick: () => {},
    readFailed: () => {},
    transition: (_, to) => void levels.push(to),
    restarted: () => void restarted++,
    died: (report) => void deaths.push(report),
    flight: (report) => void flights.push(report().status.level),
    flightDone: () => void flights.push('done'),
  };
  guardian = new LoopStory({
    options: { ...DEFAULTS, sampleMin: 5, sampleMax: 50 },
    findAgent: (lives) => {
      const next = agents.shift();
      if (!next) return 'no other container in this pod; set shareProcessNamespace: true';
      next.info.restarts = next.another ? 0 : lives;
      return next;
    },
    exporters,
    remediation,
    history: new HistoryStore((atMs) => new Date(atMs + clock.wallMs() - clock.now()).toISOString()),
    clock,
    version: '1.2.3',
  });
});
const reasons = () => events.splice(0).map(({ reason }) => reason);

describe('finding the agent', () => {
  it('goes on looking, says why there is none, and is blind but ready meanwhile', async () => {
    guardian.start();
    await clock.advance(3000);
    expect(guardian.status()).toMatchObject({
      blind: true,
      ready: true,
      agent: null,
      ratio: null,
      reason: 'no other container in this pod; set shareProcessNamespace: true',
    });
    await clock.advance(3000);
    expect(reasons()).toEqual(['GuardianBlind']);
    agents.push(new FakeLife(7));
    await clock.advance(300);
    expect(guardian.status()).toMatchObject({ blind: false, agent: { pid: 7, restarts: 0 }, rssBytes: 50 });
  });

  it('finds it again within a second after a restart', async () => {
    const first = new FakeLife(7);
    agents.push(first);
    guardian.start();
    await clock.advance(2000);
    first.dead = { exitCode: 1, signal: null };
    await clock.advance(400);
    agents.push(new FakeLife(8));
    await clock.advance(300);
    expect(guardian.status().agent).toEqual({ pid: 8, name: 'agent.js', runtime: 'node', restarts: 1 });
    expect(first.closed).toBe(true);
    expect(restarted).toBe(1);
  });

  it('counts no restart where another container follows: an init container has done its part', async () => {
    const first = new FakeLife(7);
    const agent = new FakeLife(8);
    agent.another = true;
    agents.push(first);
    guardian.start();
    await clock.advance(2000);
    first.dead = { exitCode: 0, signal: null };
    agents.push(agent);
    await clock.advance(1000);
    expect(guardian.status().agent).toMatchObject({ pid: 8, restarts: 0 });
    expect(restarted).toBe(0);
  });
});

describe('a death', () => {
  it('by the kernel is told, reported with what came before, and served after', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    for (let mib = 100; mib <= 500; mib += 10) {
      life.heldMiB = mib;
      await clock.advance(100);
    }
    life.kills = 1;
    life.heldMiB = 90; // the kernel takes the memory back before the process is gone
    await clock.advance(60);
    life.dead = { exitCode: null, signal: null };
    await clock.advance(60);
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
    expect(guardian.status()).toMatchObject({ agent: null, oomKills: 1, lastDeath: { cause: 'oom-killed' } });
  });

  it('that takes its time is not taken for a recovery', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    life.heldMiB = 490;
    await clock.advance(20_000); // longer than any hold
    life.kills = 1;
    life.heldMiB = 20;
    await clock.advance(400);
    life.dead = { exitCode: null, signal: 'SIGKILL' };
    await clock.advance(60);
    const atTheEnd = reasons().filter((reason) => /Killed|Recovered/.test(reason));
    expect(atTheEnd).toEqual(['AgentOOMKilled', 'MemoryPressureRecovered']);
  });

  it('by itself is told as an exit', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    await clock.advance(1000);
    life.dead = { exitCode: 0, signal: null };
    await clock.advance(60);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ reason: 'AgentExited', type: 'Normal' });
    expect(deaths[0]).toMatchObject({ cause: 'exit', exitCode: 0 });
  });

  it('that the guardian had a part in is a warning, whatever its exit code, and the report says so', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    remediation.ended = () => 'It ended 1 s after a signal.';
    guardian.start();
    await clock.advance(1000);
    life.dead = { exitCode: 0, signal: null };
    await clock.advance(60);
    const said = expect.stringContaining('. It ended 1 s after a signal.');
    expect(events).toMatchObject([{ reason: 'AgentExited', type: 'Warning', note: said }]);
    expect(deaths).toMatchObject([{ exitCode: 0, reason: said }]);
  });

  it('of which nothing can be seen is a warning only under pressure', async () => {
    const calm = new FakeLife(7);
    const pressed = new FakeLife(8);
    agents.push(calm, pressed);
    guardian.start();
    await clock.advance(1000);
    calm.dead = { exitCode: null, signal: null };
    await clock.advance(1000);
    expect(events).toMatchObject([{ reason: 'AgentExited', type: 'Normal' }]);
    pressed.heldMiB = 400;
    await clock.advance(1000);
    events = [];
    pressed.dead = { exitCode: null, signal: null };
    await clock.advance(1000);
    expect(events).toContainEqual(expect.objectContaining({ reason: 'AgentExited', type: 'Warning' }));
  });

  it('seen only while ending is reported, too', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    await clock.advance(1000);
    life.dead = { exitCode: null, signal: 'SIGTERM' };
    guardian.stop();
    guardian.stop();
    expect(deaths).toHaveLength(1);
  });
});

describe('a kill in the cgroup', () => {
  it('that the agent survives was that of a child, named where it was known', async () => {
    const life = new FakeLife(7);
    life.processes = [
      { pid: 10, name: 'agent.js', rssBytes: 1 },
      { pid: 11, name: 'chromium', rssBytes: 300 * 2 ** 20 },
    ];
    agents.push(life);
    guardian.start();
    await clock.advance(2000);
    life.kills = 1;
    life.processes = life.processes.slice(0, 1);
    await clock.advance(1200);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ reason: 'AgentOOMKilled' });
    expect(events[0]?.note).toMatch(/chromium \(pid 11, 300 MiB\).*\(pid 7\)/);
    expect(guardian.status()).toMatchObject({ oomKills: 1, agent: { pid: 7 } });
    await clock.advance(5000);
    expect(events).toHaveLength(1);
  });

  it('of a child among many more processes than are named names that child alone', async () => {
    const life = new FakeLife(7);
    const small = Array.from({ length: 30 }, (_, i) => ({ pid: 100 + i, name: 'tool', rssBytes: 30 - i }));
    life.processes = [{ pid: 10, name: 'agent.js', rssBytes: 50 }, ...small];
    agents.push(life);
    guardian.start();
    await clock.advance(2000);
    life.kills = 1;
    // two new ones push others out of the biggest 20, and the last of those named before is gone
    const grown = [200, 201].map((pid) => ({ pid, name: 'new', rssBytes: 40 }));
    life.processes = [...grown, ...life.processes.filter(({ pid }) => pid !== 118)];
    await clock.advance(1200);
    expect(events[0]?.note).toMatch(/a child process .*: tool \(pid 118, 12 B\)\. The/);
  });

  it('that follow each other neither hold up the judgement nor the event', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    life.heldMiB = 500;
    await clock.advance(2000);
    expect(guardian.status().level).toBe('critical');
    events = [];
    life.heldMiB = 270;
    for (let i = 0; i < 60; i++) {
      life.kills = i + 1;
      await clock.advance(400);
    }
    expect(guardian.status()).toMatchObject({ level: 'ok', ready: true });
    const told = events.filter(({ reason }) => reason === 'AgentOOMKilled');
    expect(told.length).toBeGreaterThanOrEqual(4);
    expect(told.length).toBeLessThanOrEqual(6);
    expect(told.at(-1)?.note).toMatch(/ 1\d child processes /);
    await clock.advance(6000);
    expect(guardian.status().oomKills).toBe(60);
  });

  it('of a stranger in a cgroup that the agent shares is none of its own', async () => {
    const life = new FakeLife(7);
    life.sharesGroup = true;
    life.processes = [
      { pid: 10, name: 'agent.js', rssBytes: 1 },
      { pid: 11, name: 'chromium', rssBytes: 300 * 2 ** 20 },
    ];
    agents.push(life);
    guardian.start();
    await clock.advance(2000);
    life.kills = 2;
    await clock.advance(6000);
    expect(events).toEqual([]);
    expect(guardian.status().oomKills).toBe(0);
    life.kills = 4; // one of these is its child
    life.processes = life.processes.slice(0, 1);
    await clock.advance(1200);
    expect(events[0]?.note).toMatch(/a child process .*: chromium \(pid 11, 300 MiB\)/);
    expect(guardian.status().oomKills).toBe(1);
  });

  it('that takes seconds to give back what it held is that of the agent all the same', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    await clock.advance(2000);
    life.kills = 2;
    life.slowDeath = true;
    await clock.advance(3000);
    expect(events).toEqual([]);
    life.dead = { exitCode: null, signal: 'SIGKILL' };
    await clock.advance(1000);
    expect(events[0]).toMatchObject({ reason: 'AgentOOMKilled' });
    expect(events[0]?.note).toMatch(/^Killed by the kernel's OOM killer/);
  });

  it('from before the guardian came is not counted', async () => {
    const life = new FakeLife(7);
    life.kills = 41;
    agents.push(life);
    guardian.start();
    await clock.advance(2000);
    expect(guardian.status().oomKills).toBe(0);
    expect(events).toEqual([]);
  });
});

describe('telling', () => {
  it('streams a reading a second, and status and advice on each change of level', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    await clock.advance(10_000);
    expect(streamed.filter((event) => event === 'reading').length).toBeGreaterThanOrEqual(9);
    expect(streamed).not.toContain('status');
    life.heldMiB = 440;
    await clock.advance(60);
    expect(streamed.slice(-2)).toEqual(['status', 'advice']);
    const { status, at } = events.find(({ reason }) => reason === 'MemoryPressureShedding') ?? {};
    expect(status).toMatchObject({ level: 'shedding', ready: false, since: at });
  });

  it('keeps a flight recording while pressure lasts', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    life.heldMiB = 440;
    await clock.advance(3000);
    expect(flights.length).toBeGreaterThanOrEqual(3);
    expect(new Set(flights)).toEqual(new Set(['shedding']));
    life.heldMiB = 10;
    await clock.advance(6000);
    expect(flights.at(-1)).toBe('done');
  });
});

describe('what grew', () => {
  const growth = (words: string): GrowthReport => ({
    at: '2026-01-01T00:00:00Z',
    note: words,
    kinds: [
      { kind: 'heap', bytes: 2, growthBytes: 1, words },
      { kind: 'native', bytes: 2, growthBytes: 1, words: 'native memory: 5 MiB' },
    ],
    sites: [],
    sampledMs: 1000,
  });
  const noteOf = (reason: GuardianEvent['reason']) =>
    events.find((event) => event.reason === reason)?.note ?? '';

  it('is in what is told after it was named: most growth only, not in what is good news', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    await clock.advance(1000);
    remediation.growth = growth('heap: 300 MiB, grown in `remember (agent.js:7)` +80 MiB');
    life.heldMiB = 400;
    await clock.advance(1000);
    life.heldMiB = 440;
    await clock.advance(1000);
    expect(noteOf('MemoryPressureShedding')).toMatch(
      /below 80 %\. What grew: heap: 300 MiB, grown in `remember \(agent\.js:7\)` \+80 MiB\.$/,
    );
    expect(noteOf('MemoryPressureWarning')).not.toContain('What grew');
    life.heldMiB = 100;
    await clock.advance(6000);
    expect(noteOf('MemoryPressureRecovered')).not.toContain('What grew');
    life.dead = { exitCode: 1, signal: null };
    await clock.advance(60);
    expect(noteOf('AgentExited')).toContain('What grew: heap: 300 MiB');
  });

  it('is that of the earlier guardian in an end it did not live to see, and none in a clean exit', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    remediation.growth = growth('heap: 300 MiB');
    await clock.advance(100);
    life.dead = { exitCode: 0, signal: null };
    await clock.advance(60);
    expect(noteOf('AgentExited')).not.toContain('What grew');
    const [report] = deaths;
    events = [];
    if (report)
      guardian.reportVanished({ ...report, status: { ...report.status, growth: growth('shared: 9 MiB') } });
    expect(noteOf('AgentExited')).toContain('What grew: shared: 9 MiB');
  });

  it('leaves a note no longer than Kubernetes takes, in bytes, and no half a character', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    for (const [heldMiB, reason, words] of [
      [440, 'MemoryPressureShedding', 'é'.repeat(2000)],
      [480, 'MemoryPressureCritical', `x${'é'.repeat(2000)}`],
    ] as const) {
      remediation.growth = growth(words);
      life.heldMiB = heldMiB;
      await clock.advance(60);
      const note = noteOf(reason);
      expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
      expect(Buffer.byteLength(note)).toBeGreaterThan(1015);
      expect(note).toMatch(/é…$/);
      expect(note).not.toContain('\ufffd');
    }
  });
});

describe('which limit is meant', () => {
  it.each([
    ['the container’s', null, /growing .* to the container's limit/, / the container's limit in about \d/],
    ['the heap’s own', 160, /growing .* to the heap's own limit/, / the heap's own limit in about \d/],
  ])('is said of a forecast: %s', async (_name, heapLimitMiB, status, forecast) => {
    const life = new FakeLife(7);
    const { read } = life;
    life.read = (nowMs) => {
      const reading = read(nowMs);
      const heap = heapLimitMiB && { atMs: nowMs, usedBytes: (life.heldMiB - 20) * 2 ** 20 };
      Object.assign(remediation, { heap: heap && { ...heap, limitBytes: heapLimitMiB * 2 ** 20 } });
      return reading;
    };
    agents.push(life);
    guardian.start();
    for (let i = 0; i < 400 && noteFor('MemoryLimitForecast') === undefined; i++) {
      life.heldMiB += heapLimitMiB === null ? 1 : 0.1;
      await clock.advance(100);
    }
    expect(guardian.status().reason).toMatch(status);
    expect(noteFor('MemoryLimitForecast')).toMatch(forecast);
  });
  const noteFor = (reason: GuardianEvent['reason']) => events.find((event) => event.reason === reason)?.note;
});

describe('the loop', () => {
  it('goes on when a reading fails, and when something it tells throws', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    life.failure = 'memory.current has an unexpected content: "x"';
    await clock.advance(3000);
    expect(guardian.status()).toMatchObject({ blind: true, ready: true, reason: life.failure });
    life.failure = undefined;
    await clock.advance(100);
    expect(guardian.status()).toMatchObject({ blind: false });
    expect(guardian.ticking()).toBe(true);
  });

  it('says once, not at every tick, that its ticks fail, and opens readiness meanwhile', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    life.heldMiB = 440;
    await clock.advance(1000);
    expect(guardian.status().ready).toBe(false);
    logged = [];
    const { alive } = life;
    life.alive = () => {
      throw new Error('/proc/7 cannot be read: EIO');
    };
    await clock.advance(2000);
    expect(logged).toEqual(['a tick failed: /proc/7 cannot be read: EIO']);
    expect(guardian.status()).toMatchObject({ blind: true, ready: true });
    expect(levels, 'the change of level is reported').toEqual(['shedding', 'ok']);
    life.alive = alive;
    await clock.advance(100);
    expect(guardian.status()).toMatchObject({ blind: false, agent: { pid: 7 } });
  });

  it('takes work again once draining is called off, also while its ticks fail', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    await clock.advance(500);
    remediation.draining = () => 'being ended';
    await clock.advance(100);
    expect(guardian.status()).toMatchObject({ ready: false, recycling: true });
    life.alive = () => {
      throw new Error('/proc/7 cannot be read: EIO');
    };
    remediation.draining = () => null;
    await clock.advance(2000);
    expect(guardian.status()).toMatchObject({ ready: true, recycling: false });
  });

  it('reports what remedies have found by the time everything ends', async () => {
    agents.push(new FakeLife(7));
    guardian.start();
    await clock.advance(500);
    guardian.stop();
    remediation.findings = () => [{ reason: 'AgentRecycled', note: 'Recycled.' }];
    guardian.stop();
    expect(events.map(({ reason }) => reason)).toContain('AgentRecycled');
  });

  it('is not moved by steps of the wall clock', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    life.heldMiB = 440;
    await clock.advance(1000);
    clock.wallOffsetMs -= 3600_000 * 24;
    await clock.advance(1000);
    clock.wallOffsetMs += 3600_000 * 48;
    await clock.advance(1000);
    expect(guardian.status()).toMatchObject({ level: 'shedding', ready: false, secondsToLimit: null });
    life.heldMiB = 10;
    await clock.advance(1500);
    expect(guardian.status().level, 'the hold is of monotonic time').toBe('shedding');
    await clock.advance(1000);
    expect(guardian.status().level).toBe('ok');
  });

  it('spares an agent at rest all but two or three whole readings a second, and none that moves', async () => {
    const life = new FakeLife(7);
    life.glances = true;
    agents.push(life);
    guardian.start();
    await clock.advance(10_000);
    expect(life.reads).toBeGreaterThanOrEqual(20);
    expect(life.reads).toBeLessThanOrEqual(30);
    life.heldMiB = 440;
    await clock.advance(60);
    expect(guardian.status()).toMatchObject({ level: 'shedding', ready: false });
    life.reads = 0;
    await clock.advance(2000);
    expect(life.reads, 'near the line every sample counts').toBeGreaterThanOrEqual(90);
  });

  it('takes an overdue sample when a request asks for it', async () => {
    const life = new FakeLife(7);
    agents.push(life);
    guardian.start();
    await clock.advance(1000);
    life.heldMiB = 500;
    clock.nowMs += 200; // the event loop was busy: no timer ran
    guardian.tickIfDue();
    expect(guardian.status().level).toBe('critical');
    const { version } = guardian;
    guardian.tickIfDue();
    expect(guardian.version).toBe(version);
  });
});
