import { setTimeout as sleep } from 'node:timers/promises';
import { nowMs } from '../support/probe.ts';
import { launchServer, type Setting } from '../support/programs.ts';
import { type Balancer, type Outcome, startBalancer } from './balancer.ts';
import type { ContenderName } from './contenders.ts';
import { type Fleet, startFleet } from './fleet.ts';
import type { Arrival, Load } from './load.ts';
import { type Score, score } from './score.ts';
import type { Workspace } from './workspace.ts';

const READY_WITHIN_MS = 60_000;
/** After the last answer, before it is asked whether the replicas are ready. */
const SETTLE_MS = 4000;

/**
 * One load against one contender, from fresh groups to a score.
 * @throws Error when no cgroup can be made, a replica never gets ready, or the model server ends midway
 */
export async function goodputRun(
  setting: Pick<Setting, 'nodes' | 'dist'>,
  load: Load,
  contender: ContenderName,
  workspace: Workspace,
): Promise<Score> {
  const [node = process.execPath] = setting.nodes;
  workspace.forget();
  const model = await launchServer(node, 'goodput-model');
  const world = `http://127.0.0.1:${model.port}`;
  const fleet = await startFleet({ setting, load, contender, world });
  const balancer = startBalancer(fleet.targets);
  try {
    await untilReady(balancer, fleet);
    const startMs = nowMs();
    const outcomes = await offerAll(load.arrivals(workspace.directory), balancer, fleet);
    await sleep(SETTLE_MS);
    if (model.child.exitCode !== null) throw new Error('the model server ended midway');
    const replicas = fleet.replicas.map(({ lives, samples }, i) => ({
      lives,
      samples: samples.filter(({ atMs }) => atMs >= startMs),
      probes: (balancer.probes[i] ?? []).filter(({ answeredMs }) => answeredMs >= startMs),
    }));
    return score({ outcomes, replicas, during: [startMs, nowMs()] });
  } finally {
    balancer.stop();
    await fleet.stop();
    await model.end();
  }
}

/** Nobody waits for an answer before the next one asks. */
async function offerAll(
  arrivals: readonly Arrival[],
  balancer: Balancer,
  { replicas }: Fleet,
): Promise<Outcome[]> {
  const startMs = nowMs();
  const offers: Promise<Outcome>[] = [];
  for (const { atMs, session, text } of arrivals) {
    await sleep(Math.max(0, startMs + atMs - nowMs()));
    offers.push(
      balancer.offer(session, text).then((outcome) => {
        if (outcome.result === 'served' && outcome.replica !== undefined)
          replicas[outcome.replica]?.current()?.sessions.add(session);
        return outcome;
      }),
    );
  }
  return Promise.all(offers);
}

async function untilReady(balancer: Balancer, { replicas }: Fleet): Promise<void> {
  const end = nowMs() + READY_WITHIN_MS;
  while (!balancer.allReady() || replicas.some((replica) => !replica.current())) {
    if (nowMs() > end)
      throw new Error(
        `not ready within ${READY_WITHIN_MS} ms: ${replicas.map((replica) => replica.output()).join('')}`,
      );
    await sleep(20);
  }
}
