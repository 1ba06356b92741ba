import { execFile, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { table } from '../support/numbers.ts';
import { get } from '../support/probe.ts';
import { residentMiB } from '../support/process-cost.ts';
import { launchGuard, launchIdle, type Setting } from '../support/programs.ts';

const SECONDS = 10;
const ROUTES = ['/readyz', '/admit', '/livez', '/metrics', '/v1/status', '/v1/history', '/nowhere'];

type Buckets = [upTo: number, count: number][];

/** The guardian's own histogram of the time between two samples: upper bounds, as it counts in buckets. */
export async function flood(setting: Setting): Promise<void> {
  const seconds = setting.seconds ?? SECONDS;
  const [node = process.execPath] = setting.nodes;
  const idle = launchIdle();
  const guard = await launchGuard(setting, node, idle.pid);
  const rows = [['load', 'requests/s', 'samples', 'interval p50', 'p99', 'RSS']];
  const during = async (name: string, load: () => Promise<string>) => {
    const before = await intervals(guard.port);
    const rate = await load();
    const after = await intervals(guard.port);
    const delta = after.map(([upTo, count], i): [number, number] => [upTo, count - (before[i]?.[1] ?? 0)]);
    const rss = `${residentMiB(guard.pid).rss.toFixed(0)} MiB`;
    rows.push([name, rate, `${delta.at(-1)?.[1] ?? 0}`, bound(delta, 0.5), bound(delta, 0.99), rss]);
  };
  await sleep(2000);
  await during('none', () => sleep(seconds * 1000).then(() => '–'));
  if (spawnSync('wrk', ['--version']).error) console.log('wrk is not installed: no flood is measured');
  else
    for (const route of ROUTES)
      await during(route, () => wrk(`http://127.0.0.1:${guard.port}${route}`, seconds));
  for (const each of [guard, idle]) await each.end();
  table(
    `Sampling while ${seconds} s of wrk (1 thread, 64 connections) ask for one route after the other`,
    rows,
  );
}

async function intervals(port: number): Promise<Buckets> {
  await sleep(300); // the text is reused for a quarter of a second
  const text = (await get(port, '/metrics')) ?? '';
  const lines = text.matchAll(/^spillway_sample_interval_seconds_bucket\{le="([^"]+)"\} (\d+)/gm);
  return [...lines].map(([, upTo, count]) => [
    upTo === '+Inf' ? Number.POSITIVE_INFINITY : Number(upTo),
    Number(count),
  ]);
}

/** The bound of the bucket that holds the quantile; bucket counts are running totals. */
function bound(buckets: Buckets, p: number): string {
  const total = buckets.at(-1)?.[1] ?? 0;
  const upTo = buckets.find(([, count]) => count >= p * total)?.[0] ?? Number.NaN;
  return Number.isFinite(upTo) ? `≤ ${upTo * 1000} ms` : 'above all buckets';
}

async function wrk(url: string, seconds: number): Promise<string> {
  const { stdout } = await promisify(execFile)('wrk', ['-t1', '-c64', `-d${seconds}s`, url]);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0).toFixed(0);
}
