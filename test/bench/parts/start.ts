import { median, spread, table } from '../support/numbers.ts';
import { nowMs, untilReady } from '../support/probe.ts';
import {
  launchGuard,
  launchIdle,
  launchServer,
  nodeVersion,
  type Running,
  type Setting,
} from '../support/programs.ts';

const RUNS = 20;

/** From starting the process to the first 200 of `/readyz`, in turns with the bare server. */
export async function start(setting: Setting): Promise<void> {
  const rows = [['Node', 'guardian, ms', 'bare server, ms', 'ratio']];
  const idle = launchIdle();
  for (const node of setting.nodes) {
    const times: Record<'guard' | 'bare', number[]> = { guard: [], bare: [] };
    for (let i = 0; i < (setting.runs ?? RUNS); i++) {
      times.guard.push(await timed(() => launchGuard(setting, node, idle.pid)));
      times.bare.push(await timed(() => launchServer(node, 'bare-server')));
    }
    const ratio = median(times.guard) / median(times.bare);
    rows.push([nodeVersion(node), spread(times.guard, 0), spread(times.bare, 0), ratio.toFixed(2)]);
  }
  await idle.end();
  table('Start to the first /readyz: median (least–most)', rows);
}

async function timed(launchIt: () => Promise<Running & { port: number }>): Promise<number> {
  const startMs = nowMs();
  const started = await launchIt();
  const ready = await untilReady(started.port);
  const tookMs = nowMs() - startMs;
  await started.end();
  if (!ready) throw new Error('it never answered 200');
  return tookMs;
}
