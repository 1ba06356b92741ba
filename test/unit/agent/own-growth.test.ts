import { expect, test, vi } from 'vitest';
import { AgentMemory } from '../../../src/agent/hook/agent-memory.ts';
import { OwnGrowth } from '../../../src/agent/hook/own-growth.ts';
import { nowMs } from '../../../src/agent/hook/quiet.ts';
import type { MemoryMessage } from '../../../src/core/model/hook-messages.ts';

function growthOf(samples: readonly (readonly [atMs: number, rssBytes: number])[]): OwnGrowth {
  const growth = new OwnGrowth();
  for (const [atMs, rssBytes] of samples) growth.add({ atMs, rssBytes });
  return growth;
}

test('memory at an earlier moment lies between that of the moments around it', () => {
  const growth = growthOf([
    [1000, 100],
    [1100, 200],
    [1200, 180],
  ]);
  expect([900, 1000, 1025, 1100, 1150, 1200, 1300].map((atMs) => growth.rssAt(atMs))).toEqual([
    ...[100, 100, 125, 200, 190, 180, 180],
  ]);
});

test('what was longer ago than a second is as at the oldest moment that is known', () => {
  const growth = growthOf([
    [0, 100],
    [500, 200],
    [1000, 300],
    [1600, 400],
  ]);
  expect(growth.rssAt(0)).toBe(200);
  expect(growth.rssAt(500)).toBe(200);
  expect(new OwnGrowth().rssAt(5)).toBe(0);
});

test('a reading that waited for a busy event loop counts what this process has taken since', () => {
  const rss = vi.spyOn(process.memoryUsage, 'rss');
  const message = (atMs: number, usedBytes: number): MemoryMessage => ({
    ...{ type: 'memory', atMs, usedBytes, limitBytes: 1000, ratio: 0.5, level: 'ok', stuck: false },
    ...{ shedRatio: 0.85, criticalRatio: 0.92, growthPerSecond: 0, secondsToLimit: null, heap: null },
  });
  const used = (memory: AgentMemory) => memory.now()?.uses[0].usedBytes ?? Number.NaN;
  const memory = new AgentMemory();
  rss.mockReturnValue(100);
  memory.hear(message(nowMs(), 500));
  expect(used(memory)).toBe(500);
  const readMs = nowMs();
  const untilMs = readMs + 50;
  while (nowMs() < untilMs); // busy
  rss.mockReturnValue(300);
  memory.hear(message(readMs, 500));
  expect(used(memory)).toBeGreaterThan(650);
  expect(used(memory)).toBeLessThanOrEqual(700);
  memory.hear(message(nowMs(), 700));
  expect(used(memory)).toBeCloseTo(700, 0);
  rss.mockRestore();
});
