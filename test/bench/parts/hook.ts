import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Status } from '../../../src/core/model/status.ts';
import { median, spread, table } from '../support/numbers.ts';
import { get } from '../support/probe.ts';
import { cpuMs, residentMiB } from '../support/process-cost.ts';
import { launch, nodeVersion, program, type Running, type Setting } from '../support/programs.ts';

const LOADS = 30;
const ROUNDS = 5;
const SECONDS = 5;
/** Prints what it has cost itself until its first line. */
const COST =
  'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000, process.resourceUsage().maxRSS)';
const SERVING: readonly [name: string, flags: string[]][] = [
  ['without the hook', ['--hook', 'off']],
  ['with the hook, without its gate', ['--gate', 'off']],
  ['with hook and gate', []],
];

/** What the hook costs a process that loads it, and what its gate costs light requests. */
export async function hook(setting: Setting): Promise<void> {
  const register = resolve(setting.dist, 'agent/register.cjs');
  loads(setting, register);
  if (spawnSync('wrk', ['--version']).error) console.log('wrk is not installed: no requests are measured');
  else await serving(setting);
}

function loads({ nodes, runs = LOADS }: Setting, register: string): void {
  const rows = [['Node', 'loads', 'CPU in ms', 'above nothing', 'peak RSS in KiB', 'above nothing']];
  const ways: [name: string, flags: string[]][] = [
    ['nothing', []],
    ['an empty file', ['--require', resolve(program('empty').replace(/mjs$/, 'cjs'))]],
    ['the hook', ['--require', register]],
  ];
  for (const node of nodes) {
    const costs = ways.map((): { cpuMs: number[]; rssKiB: number[] } => ({ cpuMs: [], rssKiB: [] }));
    for (let i = 0; i < runs; i++)
      ways.forEach(([, flags], way) => {
        const [cpuMs = 0, rssKiB = 0] = execFileSync(node, [...flags, '-e', COST], { encoding: 'utf8' })
          .split(' ')
          .map(Number);
        costs[way]?.cpuMs.push(cpuMs);
        costs[way]?.rssKiB.push(rssKiB);
      });
    const above = (way: number, of: 'cpuMs' | 'rssKiB') =>
      median((costs[way]?.[of] ?? []).map((value, i) => value - (costs[0]?.[of][i] ?? 0)));
    ways.forEach(([name], way) => {
      const { cpuMs = [], rssKiB = [] } = costs[way] ?? {};
      const [ms, kib] = [above(way, 'cpuMs').toFixed(2), above(way, 'rssKiB').toFixed(0)];
      rows.push([nodeVersion(node), name, spread(cpuMs), ms, spread(rssKiB, 0), kib]);
    });
  }
  table(`A process that loads a file by --require, ${runs} times in turns: median (least–most)`, rows);
}

async function serving(setting: Setting): Promise<void> {
  const [node = process.execPath] = setting.nodes;
  const seconds = setting.seconds ?? SECONDS;
  const servers = await Promise.all(SERVING.map(([, flags]) => startServer(setting, node, flags)));
  const seen = SERVING.map((): Seen[] => []);
  for (const { port } of servers) await wrk(port, 2); // warm
  for (let i = 0; i < (setting.runs ?? ROUNDS); i++)
    for (const [way, server] of servers.entries()) seen[way]?.push(await measured(server, seconds));
  const rows = [
    [
      'server',
      'CPU per request in µs',
      'beside the first',
      'p50 in µs',
      'p99 in µs',
      'requests/s',
      'RSS in MiB',
    ],
  ];
  const medianCpu = (way: number) => median((seen[way] ?? []).map(({ cpuMicros }) => cpuMicros));
  SERVING.forEach(([name], way) => {
    const of = (key: keyof Seen, digits = 0) =>
      spread(
        (seen[way] ?? []).map((each) => each[key]),
        digits,
      );
    const rss = residentMiB(servers[way]?.agentPid ?? 0).rss.toFixed(1);
    const beside = (medianCpu(way) / medianCpu(0)).toFixed(3);
    rows.push([name, of('cpuMicros', 2), beside, of('p50'), of('p99'), of('perSecond'), rss]);
  });
  for (const { running } of servers) await running.end();
  table(
    `Light requests of a server under spillway run, wrk with 1 thread and 4 connections, ${seconds} s in turns: median (least–most)`,
    rows,
  );
}

interface Server {
  running: Running;
  port: number;
  agentPid: number;
}

async function startServer({ dist }: Setting, node: string, flags: readonly string[]): Promise<Server> {
  const own = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--limit', '1Gi'];
  const command = ['--', node, program('bare-server')];
  const running = launch(node, [join(dist, 'spillway.js'), 'run', ...own, ...flags, ...command]);
  const [, port] = await running.line(/^listening on http:\/\/127\.0\.0\.1:(\d+)/m);
  const [, guardianPort] = await running.line(/"listening on http:\/\/127\.0\.0\.1:(\d+)"/);
  await sleep(1500); // the guardian has found its agent, and the hook has connected
  const status = JSON.parse((await get(Number(guardianPort), '/v1/status')) ?? '{}') as Partial<Status>;
  return { running, port: Number(port), agentPid: status.agent?.pid ?? 0 };
}

interface Wrk {
  perSecond: number;
  p50: number;
  p99: number;
}

interface Seen extends Wrk {
  cpuMicros: number;
}

/** What a server does under wrk, and what a request costs it. */
async function measured({ port, agentPid }: Server, seconds: number): Promise<Seen> {
  const beforeMs = cpuMs(agentPid);
  const seen = await wrk(port, seconds);
  return { ...seen, cpuMicros: (1000 * (cpuMs(agentPid) - beforeMs)) / (seen.perSecond * seconds) };
}

const UNITS: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1e6 };

async function wrk(port: number, seconds: number): Promise<Wrk> {
  const args = ['-t1', '-c4', '--latency', `-d${seconds}s`, `http://127.0.0.1:${port}/`];
  const { stdout } = await promisify(execFile)('wrk', args);
  const micros = (percent: string) => {
    const [, value, unit = ''] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? [];
    return Number(value) * (UNITS[unit] ?? Number.NaN);
  };
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  return { perSecond, p50: micros('50'), p99: micros('99') };
}
