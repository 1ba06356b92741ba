import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { sweepStale } from '../../src/wrap/private-cgroup.ts';
import { type BurstSetting, burst } from './parts/burst.ts';
import { cpu } from './parts/cpu.ts';
import { events } from './parts/events.ts';
import { flood } from './parts/flood.ts';
import { gate } from './parts/gate.ts';
import { gc } from './parts/gc.ts';
import { type GoodputSetting, goodput } from './parts/goodput.ts';
import { hook } from './parts/hook.ts';
import { inject } from './parts/inject.ts';
import { leaks } from './parts/leaks.ts';
import { memory } from './parts/memory.ts';
import { profile } from './parts/profile.ts';
import { read } from './parts/read.ts';
import { smallest } from './parts/smallest.ts';
import { start } from './parts/start.ts';
import { endAll, nodeVersion } from './support/programs.ts';

type BenchSetting = GoodputSetting & BurstSetting;

const PARTS: Readonly<Record<string, [about: string, part: (setting: BenchSetting) => Promise<void>]>> = {
  burst: ['503 before the kill, beside polling loops; from other rests, limits and processes', burst],
  cpu: ['CPU of the guardian of an agent at rest beside an empty timer of 1 s', cpu],
  memory: ['RSS beside a bare HTTP server', memory],
  smallest: ['smallest memory limit at which /readyz answers in 10 ms', smallest],
  start: ['start to the first /readyz', start],
  read: ['time and garbage of one reading and one round of the loop', read],
  flood: ['sampling interval, idle and under wrk', flood],
  gc: ['bytes returned per ms stalled, by way and heap size; stall of a guarded agent', gc],
  profile: ['throughput with the sampling heap profile on, beside off', profile],
  hook: ['CPU and memory of loading the hook; throughput and latency of light requests with its gate', hook],
  gate: ['requests served by simulated agents under 1,200 drawn loads, with the gate and without', gate],
  events: ['memory before and after the first event, with Kubernetes Events and without', events],
  inject: ['admissions by the webhook: time, memory and CPU at 1,000 a minute and flat out', inject],
  leaks: ['in how many of 20 leaking agents the function or kind is named', leaks],
  goodput: [
    'requests served behind a balancer under loads drawn from a seed, beside five other ways',
    goodput,
  ],
};

const HELP = `npm run bench -- [PART…] [options]

${Object.entries(PARTS)
  .map(([name, [about]]) => `  ${name.padEnd(10)}${about}`)
  .join('\n')}

  --runs N      repeats of each measurement (default: each part's own)
  --seconds N   length of each measurement in cpu, memory and flood
  --node PATH   another node to measure with, may be repeated; also NODE22 and NODE24 in the environment
  --seed N      goodput: draws the same loads again
  --loads N     goodput: only the first N of the 24 loads drawn; 0 lists them
  --load K      goodput: only the load with this index, may be repeated
  --only NAME   goodput: instead of drawn loads this fixed one, may be repeated
  --full        burst: every rest, limit and number of processes (an hour)
  --contenders A,B  goodput: these alone
  --dist DIR    the build to measure (default: dist of this checkout)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    seconds: { type: 'string' },
    node: { type: 'string', multiple: true },
    dist: { type: 'string' },
    seed: { type: 'string' },
    loads: { type: 'string' },
    load: { type: 'string', multiple: true },
    only: { type: 'string', multiple: true },
    contenders: { type: 'string' },
    full: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

const unknown = positionals.filter((name) => !(name in PARTS));
if (values.help || unknown.length > 0) {
  process.stdout.write(unknown.length > 0 ? `no such part: ${unknown.join(', ')}\n\n${HELP}` : HELP);
  process.exit(values.help ? 0 : 2);
}

for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => {
    endAll();
    process.exit(130);
  });

const given = [...(values.node ?? []), process.env['NODE22'] ?? '', process.env['NODE24'] ?? ''];
const setting: BenchSetting = {
  nodes: [process.execPath, ...new Set(given.filter(Boolean))],
  dist: values.dist ?? `${process.env['BENCH_HOME']}/../../dist`,
  runs: numberOf(values.runs),
  seconds: numberOf(values.seconds),
  ...(values.seed ? { seed: Number(values.seed) } : {}),
  ...(values.loads ? { loads: Number(values.loads) } : {}),
  ...(values.load ? { load: values.load.map(Number) } : {}),
  full: values.full ?? false,
  ...(values.only ? { only: values.only } : {}),
  ...(values.contenders ? { contenders: values.contenders.split(',') } : {}),
};
const versions = setting.nodes.map(nodeVersion).join(', ');
console.log(`Node ${versions}; ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}; ${process.platform}`);
await sweepStale(); // of a run that was interrupted
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(PARTS))
    await PARTS[name]?.[1](setting);
} finally {
  endAll();
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Math.max(1, Number.parseInt(text, 10));
}
