import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../core/lib/errors.ts';
import { drawLoad } from './load.ts';
import { type DemoRun, exitStatus, killsOf, offeredBy, recordReplica, render } from './recording.ts';
import { Replica } from './replica.ts';
import * as screen from './screen.ts';
import { Users } from './users.ts';
import { enforcement, startWrappedAgent, type WrappedAgent } from './wrapped-agent.ts';

/*
 * Plays the users and the balancers of two agents at the same time, one alone and one guarded. Act 1: the same users come to
 * both. Act 2: one of them asks the guarded agent for something that no 503 can stop.
 */

const LIMIT = '256Mi';
const SEEDS = 10_000;
/** As often as Kubernetes can at most. */
const PROBE_MS = 1000;
/** Each act ends by itself before this; on a slow machine it is cut short, says so, and the demo ends with status 1. */
const ACT_MS = 90_000;
/** A post-mortem is written at once, after the agent's end was noticed. */
const REPORT_MS = 5000;
/**
 * Where the kernel does not enforce the limit, V8's own stands in: old space that, with the 50 MiB that Node takes besides,
 * fills 256 MiB.
 */
const HEAP_FLAGS = ['--max-old-space-size=210'];

const { values: flags } = parseArgs({
  options: { 'json-out': { type: 'string' }, seed: { type: 'string' } },
});
const seed = Number(flags.seed ?? Math.floor(Math.random() * SEEDS));
const load = drawLoad(seed);
const over = new AbortController();
let interrupted = false;
const interrupt = () => {
  interrupted = true;
  over.abort();
};
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.stdout.on('error', interrupt); // whoever read along is gone

/** Afterwards nothing happens to an agent, but its end. */
const shown = { unguarded: true, guarded: true };
const recordDir = await mkdtemp(join(tmpdir(), 'spillway-demo-'));
try {
  await play();
} catch (error) {
  screen.say(`The demo could not go on: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  over.abort();
  await rm(recordDir, { recursive: true, force: true });
}
if (interrupted) process.exitCode = 130;

async function play(): Promise<void> {
  const kernel = await enforcement();
  if (!kernel.possible)
    screen.say(
      `The kernel cannot enforce the limit here (${kernel.detail}): it is guarded, and V8 ends the agent.`,
    );
  const agentFlags = kernel.possible ? [] : HEAP_FLAGS;
  const replicas: Replica[] = [];
  try {
    for (const guarded of [false, true]) replicas.push(await replica(guarded, agentFlags));
    await acts(replicas);
  } finally {
    await Promise.all(replicas.map(({ agent }) => agent.end()));
  }
}

async function replica(guarded: boolean, agentFlags: string[]): Promise<Replica> {
  const agent = await startWrappedAgent({
    guarded,
    limit: LIMIT,
    recordDir: await mkdtemp(join(recordDir, 'agent-')),
    agentFlags,
    onLog(line) {
      if (guarded ? shown.guarded : shown.unguarded) screen.logLine(line, guarded);
    },
  });
  void agent.exited.then(() => over.abort());
  return new Replica(guarded, agent, new Users(agent.agentUrl, over.signal));
}

async function acts(replicas: readonly Replica[]): Promise<void> {
  const offered = offeredBy(load);
  screen.heading(
    `Act 1. The same ${offered.conversations} users, drawn with --seed ${seed}, come to two agents of ${LIMIT} each.`,
  );
  screen.captions(['alone', 'under spillway run']);
  const startWallMs = Date.now();
  await watch(replicas, Promise.all(replicas.map(({ users }) => users.play(load))));
  if (over.signal.aborted) return;
  shown.unguarded = false;
  const seconds = (Date.now() - startWallMs) / 1000;
  const [unguarded, guarded] = await Promise.all(
    replicas.map((replica) => recordReplica(replica, startWallMs)),
  );
  if (!unguarded || !guarded) return;
  screen.outcome('alone', unguarded, offered);
  screen.outcome('under spillway run', guarded, offered);
  const kills = killsOf(guarded);
  if (kills > 0) screen.say('This time the guarded agent was killed, too.');
  if (kills > 0 && kills >= killsOf(unguarded)) process.exitCode = 1;
  const path = flags['json-out'];
  if (path !== undefined)
    await writeFile(path, `${render({ ...circumstances(), seed, offered, seconds, unguarded, guarded })}\n`);
  for (const { guarded, agent } of replicas) if (guarded) await runAway(agent);
}

/** Act 2, with a new user of the guarded agent. */
async function runAway(agent: WrappedAgent): Promise<void> {
  screen.heading(
    'Act 2. One user asks the guarded agent to follow a log that never ends. No 503 stops that.',
  );
  screen.captions(['under spillway run']);
  const users = new Users(agent.agentUrl, over.signal);
  const before = (await agent.postMortems()).length;
  await watch([new Replica(true, agent, users)], users.runAway());
  if (over.signal.aborted) return;
  const untilMs = performance.now() + REPORT_MS;
  let reports = await agent.postMortems();
  for (; reports.length === before && performance.now() < untilMs; reports = await agent.postMortems())
    await sleep(PROBE_MS / 10);
  const report = reports[before];
  if (!report) throw new Error('the agent is still alive, or left no post-mortem');
  screen.heading('Post-mortem, from --record-dir');
  screen.postMortem(report, exitStatus(report));
  shown.guarded = false;
}

/** Probes as a balancer does, and shows what is seen, until the users are done. */
async function watch(replicas: readonly Replica[], done: Promise<unknown>): Promise<void> {
  let ended = false;
  void done.then(() => {
    ended = true;
  });
  const startMs = performance.now();
  for (let i = 0; !over.signal.aborted && !ended; i++) {
    if (i * PROBE_MS > ACT_MS) throw new Error('this machine takes too long for it');
    await Promise.all(replicas.map((replica) => replica.probe(performance.now() - startMs)));
    screen.reading((performance.now() - startMs) / 1000, replicas);
    const restMs = Math.max(0, startMs + (i + 1) * PROBE_MS - performance.now());
    await Promise.race([done, sleep(restMs, undefined, { signal: over.signal }).catch(() => {})]);
  }
}

function circumstances(): Pick<DemoRun, 'node' | 'platform'> {
  return { node: process.version, platform: `${process.platform} ${process.arch}` };
}
