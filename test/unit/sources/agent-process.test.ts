import { totalmem } from 'node:os';
import { expect, it, onTestFinished } from 'vitest';
import { watchAgent } from '../../../src/sources/agent-process.ts';

it('gives a fresh reading each time, and says who the agent is in a value', async () => {
  const agent = watchAgent({
    procRoot: '/proc',
    platform: process.platform,
    machineBytes: totalmem(),
    pid: process.pid,
    name: 'before its command line is read',
    restarts: 0,
    sameGroup: false,
    privateGroup: false,
    limitBytes: 2 ** 40,
    readUsage: async () => new Map(),
  });
  onTestFinished(() => agent.close());
  await agent.tree();
  const first = agent.read(performance.now());
  const { info } = agent;
  const told = structuredClone({ first, info });
  first.heap = { atMs: 0, usedBytes: 1, limitBytes: 2, riseBytesPerSecond: null };
  const second = agent.read(performance.now() + 1000);
  expect(second).not.toBe(first);
  expect(second.heap).toBeNull();
  await agent.tree();
  expect({ first: { ...first, heap: null }, info }).toEqual({
    first: { ...told.first, heap: null },
    info: told.info,
  });
});
