import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePrivateCgroup } from '../../../src/wrap/private-cgroup.ts';
import { type Balancer, type Outcome, startBalancer } from './balancer.ts';
import { CONTENDERS, type ContenderName } from './contenders.ts';
import type { Arrival, Load } from './loads.ts';
import { nowMs } from './probe.ts';
import { launchServer, type Setting } from './programs.ts';
import { type Replica, startReplica } from './replica.ts';
import { type Score, SHED_RATIO, score } from './score.ts';
import type { Workspace } from './workspace.ts';

const READY_WITHIN_MS = 20_000;
/** After the last answer, before it is asked whether the replica is ready. */
const SETTLE_MS = 4000;

/**
 * One load against one contender, from a fresh group to a score.
 * @throws Error when no cgroup can be made, the replica never gets ready, or the model server ends midway
 */
export async function goodputRun(
  setting: Setting,
  load: Load,
  name: ContenderName,
  workspace: Workspace,
): Promise<Score> {
  const [node = process.execPath] = setting.nodes;
  const limitBytes = load.limitMiB * 2 ** 20;
  workspace.forget();
  const model = await launchServer(node, 'goodput-model');
  const [guardPort, agentPort] = [await freePort(), await freePort()];
  const contender = CONTENDERS[name]({
    node,
    dist: setting.dist,
    limitBytes,
    guardPort,
    agentPort,
    world: `http://127.0.0.1:${model.port}`,
    agent: load.agent,
    nodeFlags: load.nodeFlags ?? [],
  });
  const made = contender.insideGroup ? makePrivateCgroup({ limitBytes }) : undefined;
  if (made && !made.group) throw new Error(`a limit needs a cgroup of its own: ${made.reasons.join('; ')}`);
  const group = made?.group;
  const guard =
    contender.pollMs !== undefined && group
      ? await launchServer(node, 'polling-guard', [
          group.directory,
          `${group.version}`,
          `${limitBytes}`,
          `${SHED_RATIO}`,
          `${contender.pollMs}`,
          '0',
        ])
      : undefined;
  const replica = startReplica(contender, limitBytes, group && `${group.directory}/cgroup.procs`);
  try {
    await until(() => replica.current() !== undefined, replica.output);
    const balancer = startBalancer(agentPort, contender.probes(guard?.port ?? guardPort, agentPort));
    try {
      await until(() => balancer.ready, replica.output);
      const startMs = nowMs();
      const outcomes = await offerAll(load.arrivals(workspace.directory), balancer, replica);
      await sleep(SETTLE_MS);
      if (model.child.exitCode !== null) throw new Error('the model server ended midway');
      const samples = replica.samples.filter(({ atMs }) => atMs >= startMs);
      const probes = balancer.probes.slice(balancer.probes.findIndex(({ ready }) => ready));
      return score({ outcomes, probes, lives: replica.lives, samples });
    } finally {
      balancer.stop();
    }
  } finally {
    await replica.stop();
    await guard?.end();
    await model.end();
    await group?.remove();
  }
}

/** Nobody waits for an answer before the next one asks. */
async function offerAll(
  arrivals: readonly Arrival[],
  balancer: Balancer,
  replica: Replica,
): Promise<Outcome[]> {
  const startMs = nowMs();
  const offers: Promise<Outcome>[] = [];
  for (const { atMs, session, text } of arrivals) {
    await sleep(Math.max(0, startMs + atMs - nowMs()));
    offers.push(
      balancer.offer(session, text).then((outcome) => {
        if (outcome.result === 'served') replica.current()?.sessions.add(session);
        return outcome;
      }),
    );
  }
  return Promise.all(offers);
}

async function until(reached: () => boolean, output: () => string): Promise<void> {
  const end = nowMs() + READY_WITHIN_MS;
  while (!reached()) {
    if (nowMs() > end) throw new Error(`not ready within ${READY_WITHIN_MS} ms: ${output()}`);
    await sleep(20);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
