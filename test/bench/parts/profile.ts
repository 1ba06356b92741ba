import { setTimeout as sleep } from 'node:timers/promises';
import { runtimeClientOf } from '../../../src/runtimes/registry.ts';
import { median, quantile, table } from '../support/numbers.ts';
import { cpuMs } from '../support/process-cost.ts';
import { launch, nodeVersion, program, type Running, type Setting } from '../support/programs.ts';
import { ANY_WAY } from '../support/reach-options.ts';

const ROUNDS = 20;
const SLICE_SECONDS = 0.5;
const WARM_MS = 3000;
/** After one slice and before the next: the garbage of one is not to be collected in another. */
const REST_MS = 300;
const KIB = 1024;

/** Who takes the profile in one slice of the work. */
interface Way {
  name: string;
  /** Bytes between two samples, taken from inside. */
  inside?: number;
  /** Taken through the guardian's hand. */
  client?: boolean;
}

const OFF: Way = { name: 'off' };
const WAYS: readonly Way[] = [
  OFF,
  { name: 'inside, 32 KiB', inside: 32 * KIB },
  { name: 'inside, 128 KiB', inside: 128 * KIB },
  { name: 'inside, 512 KiB', inside: 512 * KIB },
  { name: 'guardian', client: true },
];

interface Slice {
  perSecond: number;
  /** Of CPU, all threads: what others do on the machine does not count. */
  perCpuSecond: number;
}

/** Throughput of JSON work with a sampling heap profile, beside the same without; the ways take turns, in changing order. */
export async function profile(setting: Setting): Promise<void> {
  const sliceMs = (setting.seconds ?? SLICE_SECONDS) * 1000;
  for (const node of setting.nodes) {
    const agent = launch(node, ['--inspect-port=0', program('json-work')]);
    const slices = new Map<Way, Slice[]>(WAYS.map((way) => [way, []]));
    try {
      await work(agent, OFF, WARM_MS);
      for (let round = 0; round < (setting.runs ?? ROUNDS); round++)
        for (const way of turned(WAYS, round)) slices.get(way)?.push(await work(agent, way, sliceMs));
    } finally {
      await agent.end();
    }
    const off = slices.get(OFF) ?? [];
    const share = (of: readonly Slice[], key: keyof Slice) => {
      const shares = of.map((slice, round) => (100 * slice[key]) / (off[round]?.[key] ?? Number.NaN));
      return `${median(shares).toFixed(1)} % (${quantile(shares, 0.25).toFixed(1)}–${quantile(shares, 0.75).toFixed(1)})`;
    };
    const rows = [['profile', 'documents per second', 'per second of CPU']];
    for (const [{ name }, of] of slices) rows.push([name, share(of, 'perSecond'), share(of, 'perCpuSecond')]);
    const title = 'Throughput of JSON work under a sampling heap profile, of that without';
    table(`${title}, Node ${nodeVersion(node)}: median (quartiles)`, rows);
  }
}

/** The same, another one first. */
const turned = <T>(all: readonly T[], by: number): T[] => all.map((_, i) => all[(i + by) % all.length] as T);

let questions = 0;

async function work(agent: Running, way: Way, ms: number): Promise<Slice> {
  const client = way.client ? handIn(agent.pid) : undefined;
  await client?.startProfile?.();
  try {
    await sleep(REST_MS);
    const id = ++questions;
    const beforeMs = cpuMs(agent.pid);
    agent.child.stdin?.write(`${id} ${ms} ${way.inside ?? 'none'}\n`);
    const [, documents, tookMs] = await agent.line(new RegExp(`^${id} did (\\d+) in (\\S+)`, 'm'));
    return {
      perSecond: Number(documents) / Number(tookMs),
      perCpuSecond: Number(documents) / (cpuMs(agent.pid) - beforeMs),
    };
  } finally {
    await client?.release();
  }
}

function handIn(pid: number) {
  const client = runtimeClientOf({ pid, runtime: 'node' }, ANY_WAY);
  if (typeof client === 'string') throw new Error(client);
  return client;
}
