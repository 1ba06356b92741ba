import type { GcRecord } from '../../../src/core/model/gc-record.ts';
import { NO_OUTLOOK, type Outlook } from '../../../src/core/model/outlook.ts';
import type { Level } from '../../../src/core/model/status.ts';
import { describeLevel, noteOf, type Stance } from '../../../src/core/pressure/describe.ts';
import { eventNote } from '../../../src/core/report/event-note.ts';
import { growthKinds, type MemoryFacts } from '../../../src/core/report/growth-breakdown.ts';
import {
  type DeathFacts,
  judgeDeath,
  judgeVanished,
  type PostMortem,
} from '../../../src/core/report/post-mortem.ts';
import { eventOf } from '../../support/event.ts';
import { golden } from '../../support/golden.ts';
import { DEFAULT_OPTIONS, NO_REMEDIES } from '../../support/options.ts';
import { MiB, readingOf } from '../../support/reading.ts';
import { statusWith } from '../../support/status.ts';
import { type Story, startStory } from '../../support/story.ts';

/** Stuck, then critical, then blind, then gone. */
async function stuck(): Promise<Story> {
  const story = startStory({ options: NO_REMEDIES });
  story.agent.inFlight = 2;
  await story.holds(5, 200);
  await story.holds(70, 450);
  await story.holds(1, 480);
  story.agent.failure = 'memory.current cannot be read (ENODEV)';
  await story.goes(10);
  story.agent.dies();
  await story.goes(1);
  return story;
}

/** Idle and flat, then gone. */
async function hopeless(): Promise<Story> {
  const story = startStory({ options: NO_REMEDIES });
  story.agent.inFlight = 0;
  await story.holds(5, 200);
  await story.holds(10, 450);
  story.agent.dies();
  await story.goes(1);
  return story;
}

golden('pressure', async () => {
  const growing: Outlook = {
    growthBytesPerSecond: 12 * MiB,
    secondsToLimit: 6,
    secondsToLimitRange: [4, 11],
  };
  const unsure: Outlook = { ...growing, secondsToLimitRange: [4, null] };
  const falling: Outlook = { ...NO_OUTLOOK, growthBytesPerSecond: -3 * MiB };
  const flat: Outlook = { ...NO_OUTLOOK, growthBytesPerSecond: 0 };
  const cases: [Level, number, Outlook, Stance][] = [
    ['ok', 200, NO_OUTLOOK, 'refusing'],
    ['warning', 400, growing, 'refusing'],
    ['warning', 400, growing, 'ending'],
    ['shedding', 440, unsure, 'refusing'],
    ['shedding', 440, flat, 'stuck'],
    ['shedding', 420, falling, 'relieved'],
    ['critical', 480, growing, 'refusing'],
    ['critical', 480, flat, 'stuck'],
    ['critical', 420, falling, 'relieved'],
    ['critical', 480, growing, 'ending'],
    ['ok', 200, flat, 'crowded'],
    ['ok', 200, flat, 'ending'],
    ['warning', 400, flat, 'crowded'],
    ['shedding', 420, falling, 'crowded'],
    ['critical', 480, flat, 'crowded'],
  ];
  const heap = { atMs: 0, usedBytes: 240 * MiB, limitBytes: 256 * MiB, riseBytesPerSecond: null };
  const gauge = {
    name: 'kv-cache',
    used: 0.97,
    limit: 1,
    unit: 'ratio' as const,
    source: 'http://x',
    helps: new Set<never>(),
  };
  const growth = growthKinds(1, MEMORY, { ...MEMORY, heap: null, rssBytes: 50 * MiB }, []);
  const rest = { thresholds: DEFAULT_OPTIONS, secondsToOther: null };
  const stories = [
    stuck(),
    hopeless(),
    startStory({ options: NO_REMEDIES }).holds(130, (s) => 100 + s * 2.5),
  ];
  const told = (await Promise.all(stories)).flatMap(({ exporters }) => exporters.events);
  return [
    ...cases.map(([level, held, outlook, stance]) =>
      describeLevel(readingOf(held), { ...rest, level, outlook, stance }),
    ),
    describeLevel(
      { ...readingOf(300), heap },
      { ...rest, level: 'shedding', outlook: growing, stance: 'refusing' },
    ),
    describeLevel(
      { ...readingOf(300), others: [gauge] },
      { ...rest, level: 'critical', outlook: flat, stance: 'refusing' },
    ),
    describeLevel(
      { ...readingOf(300), others: [gauge] },
      { ...rest, level: 'critical', outlook: flat, stance: 'refusing', secondsToOther: 12 },
    ),
    describeLevel(
      { ...readingOf(300), limitSource: 'machine' },
      { ...rest, level: 'ok', outlook: growing, stance: 'refusing' },
    ),
    noteOf('Told.', { at: '', sampledMs: null, sites: [], ...growth }),
    ...told.map(({ reason, note }) => `${reason}: ${note}`),
  ];
});

golden('report', () => {
  const facts: DeathFacts = {
    exitCode: null,
    signal: null,
    oomKillsDelta: 0,
    ratio: 0.97,
    anonBytes: 490 * MiB,
    limitBytes: 512 * MiB,
    runtime: 'node',
    heapLimitBytes: 4096 * MiB,
  };
  const nearHeap = { heapLimitBytes: 256 * MiB, anonBytes: 250 * MiB, ratio: 0.25 };
  const deaths: Partial<DeathFacts>[] = [
    { signal: 'SIGKILL', oomKillsDelta: 1 },
    { exitCode: 137, oomKillsDelta: 3 },
    { oomKillsDelta: 2 },
    { signal: 'SIGTERM', oomKillsDelta: 2 },
    { oomKillsDelta: 1, ratio: 0.41 },
    { oomKillsDelta: 1, ratio: null },
    { exitCode: 1, oomKillsDelta: 1 },
    { signal: 'SIGKILL' },
    { signal: 'SIGKILL', oomKillsDelta: null },
    { signal: 'SIGKILL', oomKillsDelta: null, ratio: 0.5 },
    { signal: 'SIGKILL', oomKillsDelta: null, ratio: null },
    { exitCode: 137 },
    { ...nearHeap, signal: 'SIGABRT' },
    { ...nearHeap, signal: 'SIGABRT', heapUsedBytes: 251 * MiB },
    { signal: 'SIGABRT', heapLimitBytes: null },
    nearHeap,
    { exitCode: 0 },
    { exitCode: 126 },
    { exitCode: 127 },
    { exitCode: 200 },
    { signal: 'SIGSEGV' },
    { exitCode: 143 },
    { oomKillsDelta: null },
  ];
  const flight = {
    at: '2026-01-02T03:04:05.678Z',
    status: { ratio: 0.93, limitBytes: 512 * MiB },
  } as PostMortem;
  const at = '2026-01-02T03:04:05.000Z';
  const lastGc = {
    at: '2026-01-02T03:04:02.000Z',
    verdict: 'freed',
    way: 'fast',
    freedBytes: 40 * MiB,
  } as GcRecord;
  const lastDeath = { id: '1', at, cause: 'oom-killed', reason: 'Killed.' } as const;
  const children = [2, 3].map((pid) => ({ pid, name: 'chromium', rssBytes: 155 * MiB }));
  const grown: MemoryFacts = {
    ...MEMORY,
    rssBytes: 400 * MiB,
    shmemBytes: 64 * MiB,
    processes: [...MEMORY.processes, ...children],
  };
  const heap = { ...HEAP, usedBytes: 160 * MiB, committedBytes: 160 * MiB, externalBytes: 90 * MiB };
  const filled: MemoryFacts = { ...MEMORY, heap, rssBytes: 300 * MiB };
  return [
    ...deaths
      .map((changes) => judgeDeath({ ...facts, ...changes }))
      .map(({ cause, reason }) => `${cause}: ${reason}`),
    judgeVanished(flight).reason,
    eventNote(eventOf('AgentStuck', { at, note: 'Told.', status: statusWith({ lastGc }) })),
    eventNote(eventOf('AgentOOMKilled', { at, note: 'Killed.', status: statusWith({ lastGc, lastDeath }) })),
    growthKinds(1, grown, MEMORY, []).note,
    growthKinds(1, filled, MEMORY, []).note,
    growthKinds(1, MEMORY, MEMORY, []).note,
  ];
});

const HEAP = {
  usedBytes: 60 * MiB,
  committedBytes: 64 * MiB,
  limitBytes: null,
  limitedBytes: 60 * MiB,
  externalBytes: 2 * MiB,
};
const MEMORY: MemoryFacts = {
  heap: HEAP,
  rssBytes: 110 * MiB,
  anonBytes: null,
  shmemBytes: 0,
  processes: [{ pid: 1, name: 'node', rssBytes: 110 * MiB }],
};
