import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../core/lib/errors.ts';
import {
  enforcement,
  type GuardedAgent,
  type LogLine,
  readPostMortem,
  startGuardedAgent,
} from './guarded-agent.ts';
import { Recording } from './recording.ts';
import * as screen from './screen.ts';
import { Users } from './users.ts';

/*
 * Plays the balancer and the users of an agent under `spillway run`. Act 1: people come as long as /readyz says 200. Act 2:
 * one of them asks for something that no refusal can stop.
 */

const LIMIT = '256Mi';
const HOLD = '2s';
const PROBE_MS = 100;
const PROBES_PER_LINE = 5;
const ARRIVAL_MS = 400;
const RECOVERIES = 2;
/** Each act ends by itself before this; on a slow machine it is cut short, says so, and the demo ends with status 1. */
const ACT_MS = 60_000;
/**
 * Where the kernel does not enforce the limit, V8's own stands in: old space that, with the 50 MiB that Node takes besides,
 * fills 256 MiB.
 */
const HEAP_FLAGS = ['--max-old-space-size=210'];

const { values: flags } = parseArgs({ options: { 'json-out': { type: 'string' } } });
const over = new AbortController();
let interrupted = false;
const interrupt = () => {
  interrupted = true;
  over.abort();
};
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.stdout.on('error', interrupt); // whoever read along is gone

const recording = new Recording();
const events: LogLine[] = [];
const happened = (event: string) => events.filter((line) => line.event === event).length;

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
  screen.heading(
    `An agent that keeps every conversation in memory, under: spillway run --limit ${LIMIT} --hold ${HOLD}`,
  );
  const kernel = await enforcement();
  if (!kernel.possible)
    screen.say(
      `The kernel cannot enforce the limit here (${kernel.detail}): it is guarded, and V8 ends the agent.`,
    );
  const agent = await startGuardedAgent({
    limit: LIMIT,
    hold: HOLD,
    recordDir,
    agentFlags: kernel.possible ? [] : HEAP_FLAGS,
    onLog(line) {
      if (line.event !== undefined) events.push(line);
      screen.logLine(line);
    },
  });
  void agent.exited.then(() => over.abort());
  try {
    await acts(agent);
  } finally {
    await agent.end();
  }
}

async function acts(agent: GuardedAgent): Promise<void> {
  const users = new Users(agent.agentUrl, over.signal);
  screen.heading('Act 1. New users arrive while /readyz says 200. On 503 those inside finish and leave.');
  const arriving = setInterval(() => users.arrive(), ARRIVAL_MS);
  await watch(agent, users, () => happened('MemoryPressureRecovered') >= RECOVERIES);
  clearInterval(arriving);
  if (!over.signal.aborted) {
    if (happened('MemoryPressureRecovered') < RECOVERIES) {
      screen.say('This machine takes longer for that: on to the next act.');
      process.exitCode = 1;
    }
    screen.heading('Act 2. One user asks the agent to follow a log that never ends. No 503 stops that.');
    void users.runAway();
    await watch(agent, users, () => false);
  }
  if (interrupted) return;
  if (!over.signal.aborted) screen.say('The agent is still alive: nothing here ended it.');
  else await finish(await agent.exited, users);
}

/** Asks /readyz as a balancer does, and shows what it says, until something has happened. */
async function watch(agent: GuardedAgent, users: Users, done: () => boolean): Promise<void> {
  const until = performance.now() + ACT_MS;
  for (let i = 0; !over.signal.aborted && performance.now() < until && !done(); i++) {
    const probe = await agent.probe();
    if (probe) {
      users.ready = probe.code === 200;
      recording.add(probe, users.active);
      if (i % PROBES_PER_LINE === 0) screen.reading(recording.seconds, probe, users.active);
    }
    await sleep(PROBE_MS, undefined, { signal: over.signal }).catch(() => {});
  }
}

async function finish(exitStatus: number, users: Users): Promise<void> {
  const report = await readPostMortem(recordDir);
  if (!report) throw new Error(`spillway ended with status ${exitStatus} and left no post-mortem`);
  screen.heading('Post-mortem, from --record-dir');
  screen.postMortem(report, exitStatus);
  screen.say(`  ${users.served} turns were answered, ${users.broken} were not.`);
  const path = flags['json-out'];
  if (path !== undefined) await writeFile(path, `${recording.render(report, events)}\n`);
}
