import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GcWay } from '../../../src/core/model/heap.ts';
import { runtimeClientOf } from '../../../src/runtimes/registry.ts';
import { makePrivateCgroup } from '../../../src/wrap/private-cgroup.ts';
import { median, spread, table } from '../support/numbers.ts';
import { residentMiB } from '../support/process-cost.ts';
import { launch, nodeVersion, program, type Running, type Setting } from '../support/programs.ts';
import { ANY_WAY } from '../support/reach-options.ts';

export interface GcSetting extends Setting {
  /** A heap of 1.5 GiB as well. */
  big?: boolean;
}

const SIZES_MIB = [100, 500];
const BIG_MIB = 1536;
const WAYS = ['nothing', 'gc() inside', 'fast', 'full'] as const;
/** Pages may come back a while after the collection. */
const LATER_MS = 3000;
const RUNS = 3;
/** A port of its own: the usual one may be held by another agent on this machine. */
const INSPECTOR = '--inspect-port=0';

const WORK_LIMIT_MIB = 256;
const WORK_SECONDS = 10;
/** What is held: with its garbage about the warning level of 75 %, by V8's own judgement and with a heap limit above the container's. */
const WORK = [
  ['none', 130, []],
  ['--max-old-space-size=4096', 100, ['--max-old-space-size=4096']],
] as const;

/** What a collection brings and costs, and what an agent at work feels of being guarded. */
export async function gc(setting: GcSetting): Promise<void> {
  for (const node of setting.nodes) await collections(setting, node);
  await atWork(setting);
}

interface Outcome {
  beforeMiB: number;
  atOnceMiB: number;
  laterMiB: number;
  stallMs: number;
}

async function collections(setting: GcSetting, node: string): Promise<void> {
  const rows = [
    ['heap', 'of it', 'way', 'RSS, MiB', 'returned at once', 'after 3 s', 'stall, ms', 'MiB per ms'],
  ];
  for (const mib of setting.big ? [...SIZES_MIB, BIG_MIB] : SIZES_MIB)
    for (const kind of ['garbage', 'live'] as const)
      for (const way of WAYS) {
        const outcomes: Outcome[] = [];
        for (let i = 0; i < (setting.runs ?? RUNS); i++) outcomes.push(await collected(node, mib, kind, way));
        const of = (key: keyof Outcome) => outcomes.map((outcome) => outcome[key]);
        const returned = (key: 'atOnceMiB' | 'laterMiB') =>
          median(outcomes.map((outcome) => outcome.beforeMiB - outcome[key]));
        const stallMs = median(of('stallMs'));
        rows.push([
          `${mib} MiB`,
          kind,
          way,
          median(of('beforeMiB')).toFixed(0),
          `${whole(returned('atOnceMiB'))}`,
          `${whole(returned('laterMiB'))}`,
          spread(of('stallMs'), 0),
          way === 'nothing' ? '–' : (whole(returned('laterMiB')) / stallMs).toFixed(1),
        ]);
      }
  table(`One collection, Node ${nodeVersion(node)}: medians`, rows);
}

async function collected(
  node: string,
  mib: number,
  kind: 'garbage' | 'live',
  way: (typeof WAYS)[number],
): Promise<Outcome> {
  const agent = launch(node, [
    ...['--expose-gc', INSPECTOR],
    program('gc-heap'),
    ...['--mib', `${mib}`],
    ...(kind === 'garbage' ? ['--garbage'] : []),
  ]);
  try {
    await agent.line(/built/);
    const client = runtimeClientOf({ pid: agent.pid, runtime: 'node' }, ANY_WAY);
    if (typeof client === 'string') throw new Error(client);
    if (isFromOutside(way)) await client.facts(); // the way in is open
    await sleep(300);
    await stallOf(agent);
    const beforeMiB = residentMiB(agent.pid).rss;
    if (isFromOutside(way)) await client.collect(way);
    const stallMs = await stallOf(agent, way === 'gc() inside');
    const atOnceMiB = residentMiB(agent.pid).rss;
    await sleep(LATER_MS);
    const laterMiB = residentMiB(agent.pid).rss;
    await client.release();
    return { beforeMiB, atOnceMiB, laterMiB, stallMs };
  } finally {
    await agent.end();
  }
}

/** Pages come and go by themselves: no less than nothing is returned. */
const whole = (mib: number) => Math.max(0, Math.round(mib));

const isFromOutside = (way: (typeof WAYS)[number]): way is GcWay => way === 'fast' || way === 'full';

let questions = 0;

/** The longest time for which the agent's loop has stood still since the last question, in milliseconds. */
async function stallOf(agent: Running, collect = false): Promise<number> {
  const question = `${collect ? 'collect' : 'stall'} ${++questions}`;
  agent.child.stdin?.write(`${question}\n`);
  return Number((await agent.line(new RegExp(`^${question} took (\\S+)`, 'm')))[1]);
}

interface Lag {
  p50: number;
  p99: number;
  most: number;
  answers: number;
}

async function atWork(setting: Setting): Promise<void> {
  const [node = process.execPath] = setting.nodes;
  const rows = [['flag', 'guardian', 'p50', 'p99', 'most', 'answers read', 'killed']];
  for (const [flag, liveMiB, flags] of WORK) {
    const lags: Record<'alone' | 'spillway run', Lag[]> = { alone: [], 'spillway run': [] };
    for (let i = 0; i < (setting.runs ?? RUNS); i++)
      for (const guardian of ['alone', 'spillway run'] as const)
        lags[guardian].push(...(await lagOf(setting, node, [...flags], liveMiB, guardian === 'alone')));
    for (const [guardian, all] of Object.entries(lags)) {
      const of = (key: keyof Lag, digits = 1) =>
        spread(
          all.map((lag) => lag[key]),
          digits,
        );
      const killed = `${(setting.runs ?? RUNS) - all.length}`;
      rows.push([flag, guardian, of('p50', 2), of('p99'), of('most'), of('answers', 0), killed]);
    }
  }
  table(`Lateness of the agent's event loop in ms near the warning level: median (least–most)`, rows);
}

/** None of an agent that was killed before it could tell. */
async function lagOf(
  { dist, seconds = WORK_SECONDS }: Setting,
  node: string,
  flags: string[],
  liveMiB: number,
  alone: boolean,
): Promise<Lag[]> {
  const command = [
    node,
    INSPECTOR,
    ...flags,
    program('gc-work'),
    '--live',
    `${liveMiB}`,
    '--seconds',
    `${seconds}`,
  ];
  const { running, leave } = alone ? startAlone(command) : startGuarded(dist, node, command);
  try {
    const told = running.line(/lag (\S+) (\S+) (\S+) (\d+)/).catch(() => undefined);
    const [found] = await Promise.all([told, running.exited]);
    const [p50 = 0, p99 = 0, most = 0, answers = 0] = found?.slice(1).map(Number) ?? [];
    return found ? [{ p50, p99, most, answers }] : [];
  } finally {
    await leave();
  }
}

const LIMIT_BYTES = WORK_LIMIT_MIB * 2 ** 20;

function startAlone([file = '', ...args]: string[]) {
  const { group, reasons } = makePrivateCgroup({ limitBytes: LIMIT_BYTES });
  if (!group) throw new Error(`a limit needs a cgroup of its own: ${reasons.join('; ')}`);
  const running = launch(file, args, `${group.directory}/cgroup.procs`);
  return {
    running,
    leave: async () => {
      await running.end();
      await group.remove();
    },
  };
}

function startGuarded(dist: string, node: string, command: string[]) {
  const running = launch(node, [
    ...[join(dist, 'spillway.js'), 'run', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'],
    ...['--limit', `${WORK_LIMIT_MIB}Mi`, '--', ...command],
  ]);
  return { running, leave: () => running.end() };
}
