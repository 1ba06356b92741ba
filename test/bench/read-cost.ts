import { totalmem } from 'node:os';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '../../src/adapters/logger.ts';
import { createMetrics } from '../../src/adapters/metrics.ts';
import { readProcessUsage } from '../../src/adapters/pidusage.ts';
import { type ComposedGuardian, composeGuardian } from '../../src/compose/guardian.ts';
import { thisMachine } from '../../src/compose/machine.ts';
import type { Clock } from '../../src/core/ports/ports.ts';
import { HistoryStore } from '../../src/core/report/history.ts';
import { watchAgent } from '../../src/sources/agent-process.ts';
import { DEFAULT_OPTIONS, NO_REMEDIES } from '../support/options.ts';

/** What one of something takes. */
export interface Cost {
  what: string;
  us: number;
  bytes: number;
}

const SAMPLE_MS = 50;
const COUNT = 20_000;
const WARM = 20_000;
/** Collections are told of late. */
const TOLD_MS = 100;
const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });

const life = watchAgent({
  procRoot: '/proc',
  platform: process.platform,
  machineBytes: totalmem(),
  pid: process.ppid,
  restarts: 0,
  sameGroup: false,
  privateGroup: true, // so that its cgroup counts, though it is also ours
  readUsage: readProcessUsage,
});

// the loop on a clock that jumps from sample to sample: all that happens in between, and no waiting
let atMs = performance.now();
let next = () => {};
const nothing = () => {};
const clock: Clock = {
  now: () => atMs,
  wallMs: () => atMs,
  setTimer(fn) {
    next = fn;
    return { cancel: nothing };
  },
  newId: () => '',
};
const options = { ...DEFAULT_OPTIONS, ...NO_REMEDIES, sampleMax: SAMPLE_MS };
const mode = { restarted: null, sameFiles: true };
const logger = await createLogger({ level: 'silent', format: 'json' });
const metrics = createMetrics({
  version: '',
  status: () => view.status(),
  streams: () => ({ clients: 0, dropped: 0 }),
  probes: () => 0,
});
const { guardian, view }: ComposedGuardian = composeGuardian({
  ...{ options, mode, clock, metrics },
  findAgent: () => life,
  machine: thisMachine(options, mode, {
    clock,
    logger,
    hooks: { of: () => undefined, requests: () => null, waiting: () => null },
  }),
  exporters: {
    emit: nothing,
    log: nothing,
    stream: nothing,
    observeTick: metrics.observeTick,
    readFailed: nothing,
    transition: nothing,
    restarted: nothing,
    died: nothing,
    flight: nothing,
    flightDone: nothing,
  },
  history: new HistoryStore(() => ''),
  constraints: [],
  remedies: [],
  requests: () => null,
  advice: () => [],
  collected: nothing,
  version: '',
});
guardian.start();

const costs = [
  await measure('reading', () => {
    atMs += SAMPLE_MS;
    life.read(atMs);
  }),
  await measure('round of the loop, agent calm, without the look at its processes', () => {
    atMs += SAMPLE_MS;
    next();
  }),
];
process.stdout.write(JSON.stringify(costs));
process.exit();

async function measure(what: string, one: () => void): Promise<Cost> {
  for (let i = 0; i < WARM; i++) one();
  collect();
  await sleep(TOLD_MS);
  collections = 0;
  const [heapBefore, startMs] = [process.memoryUsage().heapUsed, performance.now()];
  for (let i = 0; i < COUNT; i++) one();
  const us = ((performance.now() - startMs) * 1000) / COUNT;
  const bytes = (process.memoryUsage().heapUsed - heapBefore) / COUNT;
  await sleep(TOLD_MS);
  return { what, us, bytes: collections > 0 ? Number.NaN : bytes };
}
