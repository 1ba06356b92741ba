import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { makePrivateCgroup, type PrivateCgroup } from '../../../src/wrap/private-cgroup.ts';
import { probe, untilReady } from './probe.ts';
import { launch, launchGuard, launchServer, program, type Setting } from './programs.ts';
import { CROSSED_MS, GREW_MS, type SamplerData } from './sampled.ts';

export const SHED_RATIO = 0.85;
const PROBE_EVERY_MS = 1;

/** How an agent rests, and how it grows from there. */
export interface Burst {
  limitBytes: number;
  /** Share of the limit that is charged at rest. */
  rest: number;
  /** 0: as fast as it can. */
  bytesPerSecond: number;
  /** All of them grow at once. */
  processes: number;
  /** Periods of the guards that poll beside Spillway, in milliseconds. */
  pollers: readonly number[];
}

export interface Outcome {
  /** From the crossing to the first 503 answered, in milliseconds, by watcher; `undefined` when it came too late or never. */
  answeredMs: (number | undefined)[];
  /** From the crossing to the last growth seen, in milliseconds. */
  leftMs: number;
}

/**
 * An agent rests in a cgroup of its own and then grows until the kernel kills one of its processes, while guardians watch it
 * and one client asks them all. "Before the kill" means before the last growth seen from outside: the kernel kills right after.
 */
export async function runBurst(setting: Setting, burst: Burst): Promise<Outcome> {
  const { group, reasons } = makePrivateCgroup({ limitBytes: burst.limitBytes });
  if (!group) throw new Error(`a burst needs a cgroup of its own: ${reasons.join('; ')}`);
  try {
    return await inGroup(group, setting, burst);
  } finally {
    await group.remove();
  }
}

async function inGroup(group: PrivateCgroup, setting: Setting, burst: Burst): Promise<Outcome> {
  const [node = process.execPath] = setting.nodes;
  const { directory, version } = group;
  const { limitBytes, bytesPerSecond, pollers } = burst;
  const agents = await launchAgents(group, node, burst);
  const [agent] = agents;
  const poller = (periodMs: number) =>
    launchServer(node, 'polling-guard', [
      ...[directory, `${version}`, `${limitBytes}`, `${SHED_RATIO}`],
      ...[`${periodMs}`, `${Math.random() * periodMs}`],
    ]);
  const watchers = [await launchGuard(setting, node, agent?.pid ?? 0)];
  for (const periodMs of pollers) watchers.push(await poller(periodMs));
  for (const { port } of watchers) await untilReady(port);

  const found = new Float64Array(new SharedArrayBuffer(3 * 8));
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const workerData: SamplerData = { directory, version, lineBytes: SHED_RATIO * limitBytes, found, stop };
  const sampler = new Worker(new URL('./sampler.mjs', import.meta.url), { workerData });
  await once(sampler, 'online');
  const probes = watchers.map(({ port }) => probe(port, PROBE_EVERY_MS));
  await sleep(1000 + Math.random() * 1000); // at rest, and at any phase of everybody's timers

  for (const each of agents) each.child.stdin?.write('go\n');
  await Promise.race(agents.map(({ exited }) => exited));
  for (const each of probes) each.stop();
  Atomics.store(stop, 0, 1);
  Atomics.notify(stop, 0);
  await once(sampler, 'exit');
  for (const each of [...agents, ...watchers]) await each.end();

  const [crossed = 0, grew = 0] = [found[CROSSED_MS], found[GREW_MS]];
  if (!crossed) throw new Error(`the agent ended before it crossed the line (${bytesPerSecond} bytes/s)`);
  return {
    leftMs: grew - crossed,
    // a guardian may see the crossing up to one look of the sampler earlier
    answeredMs: probes.map(({ first503Ms }) =>
      first503Ms !== undefined && first503Ms < grew ? Math.max(0, first503Ms - crossed) : undefined,
    ),
  };
}

/** The one that is guarded first; it takes what the others leave of the memory at rest. */
async function launchAgents({ directory, version }: PrivateCgroup, node: string, burst: Burst) {
  const { limitBytes, rest, bytesPerSecond, processes } = burst;
  const usageFile = `${directory}/memory.${version === 1 ? 'usage_in_bytes' : 'current'}`;
  const start = async (restBytes: number) => {
    const args = [program('grower'), `${restBytes}`, `${bytesPerSecond}`, usageFile];
    const started = launch(node, args, `${directory}/cgroup.procs`);
    await started.line(/resting/);
    return started;
  };
  const others = [];
  for (let i = 1; i < processes; i++) others.push(await start(0));
  return [await start(rest * limitBytes), ...others];
}
