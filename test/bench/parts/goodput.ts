import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePrivateCgroup } from '../../../src/actions/wrap/private-cgroup.ts';
import { type Outcome, startBalancer } from '../support/balancer.ts';
import { CONTENDERS, type ContenderName, RIVALS } from '../support/contenders.ts';
import { LOADS, type Load } from '../support/loads.ts';
import { table } from '../support/numbers.ts';
import { nowMs } from '../support/probe.ts';
import { launchServer, type Setting } from '../support/programs.ts';
import { startReplica } from '../support/replica.ts';
import { middle, type Score, score } from '../support/score.ts';
import { makeWorkspace, type Workspace } from '../support/workspace.ts';

const READY_WITHIN_MS = 20_000;
/** After the last answer, before it is asked whether the replica is ready. */
const SETTLE_MS = 4000;

export interface GoodputSetting extends Setting {
  /** Only these loads. */
  only?: string[];
  /** Only these contenders. */
  contenders?: string[];
}

/** One replica behind a balancer, six loads with fixed arrival times, and what each way to guard it makes of them. */
export async function goodput(setting: GoodputSetting): Promise<void> {
  const loads = chosen(Object.keys(LOADS), setting.only);
  const names = chosen(Object.keys(CONTENDERS), setting.contenders) as ContenderName[];
  const workspace = makeWorkspace();
  try {
    for (const name of loads) {
      const load = LOADS[name] as Load;
      const results = new Map<ContenderName, Score>();
      for (const contender of names) {
        const scores: Score[] = [];
        for (let run = 0; run < (setting.runs ?? 1); run++)
          scores.push(await oneRun(setting, load, contender, workspace));
        results.set(contender, middle(scores));
      }
      print(load, load.arrivals(workspace.directory).length, results);
    }
  } finally {
    workspace.remove();
  }
}

async function oneRun(
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
  });
  const made = contender.insideGroup ? makePrivateCgroup({ limitBytes }) : undefined;
  if (made && !made.group) throw new Error(`a limit needs a cgroup of its own: ${made.reasons.join('; ')}`);
  const group = made?.group;
  const replica = startReplica(contender, limitBytes, group && `${group.directory}/cgroup.procs`);
  const guard =
    contender.pollMs !== undefined && group
      ? await launchServer(node, 'polling-guard', [
          group.directory,
          `${group.version}`,
          `${limitBytes}`,
          '0.85',
          `${contender.pollMs}`,
          '0',
        ])
      : undefined;
  try {
    await until(() => replica.current() !== undefined, replica.output);
    const balancer = startBalancer(agentPort, contender.probes(guard?.port ?? guardPort, agentPort));
    try {
      await until(() => balancer.ready, replica.output);
      const startMs = nowMs();
      const offers: Promise<Outcome>[] = [];
      for (const { atMs, session, text } of load.arrivals(workspace.directory)) {
        await sleep(Math.max(0, startMs + atMs - nowMs()));
        offers.push(
          balancer.offer(session, text).then((outcome) => {
            if (outcome.result === 'served') replica.current()?.sessions.add(session);
            return outcome;
          }),
        );
      }
      const outcomes = await Promise.all(offers);
      await sleep(SETTLE_MS);
      if (model.child.exitCode !== null) throw new Error('the model server ended midway');
      const since = <T extends { atMs: number }>(all: readonly T[]) =>
        all.filter(({ atMs }) => atMs >= startMs);
      const probes = balancer.probes.filter(({ answeredMs }) => answeredMs >= startMs - 1000);
      return score({ outcomes, probes, lives: replica.lives, samples: since(replica.samples) });
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

function print(load: Load, offered: number, results: ReadonlyMap<ContenderName, Score>): void {
  const rows = [
    [
      'guard',
      'served',
      'refused',
      'broken',
      'foreseeable',
      'kills (lead)',
      'aborts',
      'ended',
      'restarts',
      'sessions lost',
      'false sheds',
      '503 below 0.85',
      'longest un-ready',
      'ready at the end',
      'peak',
    ],
  ];
  for (const [name, result] of results) {
    const kills = result.kills > 0 ? `${result.kills} (${result.leadMs.toFixed(0)} ms)` : '0';
    rows.push([
      name,
      `${result.served}`,
      `${result.refused}`,
      `${result.broken}`,
      `${result.brokenForeseeable}`,
      kills,
      `${result.aborts}`,
      `${result.ended}`,
      `${result.restarts}`,
      `${result.sessionsLost}`,
      `${result.falseSheds}`,
      `${result.below}`,
      `${(result.longestUnreadyMs / 1000).toFixed(1)} s`,
      result.readyAtEnd ? 'yes' : 'NO',
      result.peakRatio.toFixed(2),
    ]);
  }
  table(`Goodput: ${load.about}; ${offered} requests offered, limit ${load.limitMiB} MiB`, rows);
  for (const line of verdicts(results)) console.log(line);
}

/** What was to be reached, for each contender that is not one of the guards without help. */
function verdicts(results: ReadonlyMap<ContenderName, Score>): string[] {
  const best = Math.max(...RIVALS.flatMap((rival) => results.get(rival)?.served ?? []));
  return [...results].flatMap(([name, result]) => {
    if (RIVALS.includes(name)) return [];
    const missed = [
      result.served < best ? `served ${result.served}, the best of the others ${best}` : '',
      result.brokenForeseeable > 0 ? `${result.brokenForeseeable} broken that could be foreseen` : '',
      result.falseSheds > 0 ? `${result.falseSheds} false sheds` : '',
      result.readyAtEnd ? '' : 'un-ready at the end',
    ].filter(Boolean);
    return [`${name}: ${missed.length > 0 ? `MISSED: ${missed.join('; ')}` : 'reached'}`];
  });
}

function chosen(all: readonly string[], wanted: readonly string[] | undefined): string[] {
  const unknown = wanted?.filter((name) => !all.includes(name)) ?? [];
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: not among ${all.join(', ')}`);
  return all.filter((name) => wanted?.includes(name) ?? true);
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
