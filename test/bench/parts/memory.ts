import { setTimeout as sleep } from 'node:timers/promises';
import { median, spread, table } from '../support/numbers.ts';
import { get } from '../support/probe.ts';
import { residentMiB } from '../support/process-cost.ts';
import {
  launchGuard,
  launchIdle,
  launchServer,
  nodeVersion,
  type Running,
  type Setting,
} from '../support/programs.ts';

const PAIRS = 3;
const SECONDS = 60;
const SCRAPE_EVERY_SECONDS = 15;

/** RSS after a minute of probes once a second and scrapes four times a minute; the bare server answers the same requests. */
export async function memory(setting: Setting): Promise<void> {
  const seconds = setting.seconds ?? SECONDS;
  const rows = [['Node', 'program', 'RSS', 'of it anonymous', 'of it files', 'ratio']];
  for (const node of setting.nodes) {
    const idle = launchIdle();
    const pairs: Record<'bare' | 'guard', Running & { port: number }>[] = [];
    for (let i = 0; i < (setting.runs ?? PAIRS); i++)
      pairs.push({
        bare: await launchServer(node, 'bare-server'),
        guard: await launchGuard(setting, node, idle.pid),
      });
    const all = pairs.flatMap(({ bare, guard }) => [bare, guard]);
    for (let second = 0; second < seconds; second++) {
      for (const { port } of all) {
        await get(port, '/readyz');
        if (second % SCRAPE_EVERY_SECONDS === 0) await get(port, '/metrics');
      }
      await sleep(1000);
    }
    const sizes = (of: 'bare' | 'guard') => pairs.map((pair) => residentMiB(pair[of].pid));
    const [bare, guard] = [sizes('bare'), sizes('guard')];
    const ratio = median(guard.map(({ rss }) => rss)) / median(bare.map(({ rss }) => rss));
    for (const [name, all, times] of [
      ['bare server', bare, ''],
      ['guardian', guard, ratio.toFixed(2)],
    ] as const) {
      const part = (key: 'rss' | 'anon' | 'file') => spread(all.map((size) => size[key]));
      rows.push([nodeVersion(node), name, part('rss'), part('anon'), part('file'), times]);
    }
    for (const each of [...all, idle]) await each.end();
  }
  table(`Memory in MiB after ${seconds} s: median (least–most)`, rows);
}
