import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { makePrivateCgroup, type PrivateCgroup } from '../../../src/wrap/private-cgroup.ts';
import { median, quantile, table } from '../support/numbers.ts';
import { probe, untilReady } from '../support/probe.ts';
import { launch, launchGuard, launchServer, program, type Setting } from '../support/programs.ts';
import { CROSSED_MS, GREW_MS, type SamplerData } from '../support/sampled.ts';

const LIMIT_BYTES = 512 * 2 ** 20;
const SHED_RATIO = 0.85;
const REST_BYTES = LIMIT_BYTES / 2;
const RUNS = 20;
const PROBE_EVERY_MS = 1;
const RATES = [
  ['50 MB/s', 50e6],
  ['500 MB/s', 500e6],
  ['flat out', 0],
] as const;
const WATCHERS = ['spillway', 'polling 1 s', 'polling 30 s'] as const;

interface Outcome {
  /** From the crossing to the first 503 answered, in milliseconds, by watcher; `undefined` when it came too late or never. */
  answeredMs: (number | undefined)[];
  /** From the crossing to the last growth seen, in milliseconds. */
  leftMs: number;
}

/**
 * An agent rests at half its limit and then grows until the kernel kills it, while three guardians watch the same agent and one
 * client asks all three. "Before the kill" means before the last growth seen from outside: the kernel kills right after.
 */
export async function burst(setting: Setting): Promise<void> {
  const rows: string[][] = [
    ['growth', 'watcher', '503 before the kill', 'crossing → 503 p50', 'p99', 'most', 'crossing → kill p50'],
  ];
  for (const [name, bytesPerSecond] of RATES) {
    const outcomes: Outcome[] = [];
    for (let i = 0; i < (setting.runs ?? RUNS); i++) outcomes.push(await oneRun(setting, bytesPerSecond));
    WATCHERS.forEach((watcher, index) => {
      const times = outcomes.flatMap(({ answeredMs }) => answeredMs[index] ?? []);
      const ms = (value: number) => (times.length > 0 ? `${value.toFixed(1)} ms` : '–');
      rows.push([
        name,
        watcher,
        `${times.length} of ${outcomes.length}`,
        ms(median(times)),
        ms(quantile(times, 0.99)),
        ms(Math.max(...times)),
        `${median(outcomes.map(({ leftMs }) => leftMs)).toFixed(0)} ms`,
      ]);
    });
  }
  table(
    `A burst against ${LIMIT_BYTES / 2 ** 20} MiB, from rest at half of it; shed ratio ${SHED_RATIO}`,
    rows,
  );
}

async function oneRun(setting: Setting, bytesPerSecond: number): Promise<Outcome> {
  const { group, reasons } = makePrivateCgroup({ limitBytes: LIMIT_BYTES });
  if (!group) throw new Error(`a burst needs a cgroup of its own: ${reasons.join('; ')}`);
  try {
    return await inGroup(group, setting, bytesPerSecond);
  } finally {
    await group.remove();
  }
}

async function inGroup(group: PrivateCgroup, setting: Setting, bytesPerSecond: number): Promise<Outcome> {
  const [node = process.execPath] = setting.nodes;
  const { directory, version } = group;
  const agent = launch(
    node,
    [program('grower'), `${REST_BYTES}`, `${bytesPerSecond}`],
    `${directory}/cgroup.procs`,
  );
  await agent.line(/resting/);
  const poller = (periodMs: number) =>
    launchServer(node, 'polling-guard', [
      directory,
      `${version}`,
      `${LIMIT_BYTES}`,
      `${SHED_RATIO}`,
      `${periodMs}`,
      `${Math.random() * periodMs}`,
    ]);
  const watchers = [await launchGuard(setting, node, agent.pid), await poller(1000), await poller(30_000)];
  for (const { port } of watchers) await untilReady(port);

  const found = new Float64Array(new SharedArrayBuffer(3 * 8));
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const workerData: SamplerData = { directory, version, lineBytes: SHED_RATIO * LIMIT_BYTES, found, stop };
  const sampler = new Worker(new URL('./sampler.mjs', import.meta.url), { workerData });
  await once(sampler, 'online');
  const probes = watchers.map(({ port }) => probe(port, PROBE_EVERY_MS));
  await sleep(1000 + Math.random() * 1000); // at rest, and at any phase of everybody's timers

  agent.child.stdin?.write('go\n');
  await agent.exited;
  for (const each of probes) each.stop();
  Atomics.store(stop, 0, 1);
  Atomics.notify(stop, 0);
  await once(sampler, 'exit');
  for (const watcher of watchers) await watcher.end();

  const [crossed = 0, grew = 0] = [found[CROSSED_MS], found[GREW_MS]];
  if (!crossed) throw new Error('the agent ended before it crossed the line');
  return {
    leftMs: grew - crossed,
    // a guardian may see the crossing up to one look of the sampler earlier
    answeredMs: probes.map(({ first503Ms }) =>
      first503Ms !== undefined && first503Ms < grew ? Math.max(0, first503Ms - crossed) : undefined,
    ),
  };
}
