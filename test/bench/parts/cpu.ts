import { setTimeout as sleep } from 'node:timers/promises';
import { median, spread, table } from '../support/numbers.ts';
import { cpuMs } from '../support/process-cost.ts';
import {
  launch,
  launchGuard,
  launchIdle,
  nodeVersion,
  program,
  type Running,
  type Setting,
} from '../support/programs.ts';

const REPEATS = 4;
const SLICE_SECONDS = 15;
/** The guardian's idle sampling interval. */
const SAMPLE_MS = 50;
/** Start-up and the first compilations are over. */
const WARM_MS = 10_000;

/** The idle guardian and an empty timer of the same rate take turns; whose turn it is not is stopped. */
export async function cpu(setting: Setting): Promise<void> {
  const seconds = setting.seconds ?? SLICE_SECONDS;
  const rows = [['Node', 'guardian, % of a core', 'empty timer, % of a core', 'ratio']];
  for (const node of setting.nodes) {
    const idle = launchIdle();
    const guard = await launchGuard(setting, node, idle.pid);
    const timer = launch(node, [program('empty-timer'), `${SAMPLE_MS}`]);
    await sleep(WARM_MS);
    const shares: Record<'guard' | 'timer', number[]> = { guard: [], timer: [] };
    for (let i = 0; i < (setting.runs ?? REPEATS); i++) {
      shares.guard.push(await turn(guard, timer, seconds));
      shares.timer.push(await turn(timer, guard, seconds));
    }
    const ratio = median(shares.guard) / median(shares.timer);
    rows.push([nodeVersion(node), spread(shares.guard, 2), spread(shares.timer, 2), ratio.toFixed(2)]);
    for (const each of [guard, timer, idle]) await each.end();
  }
  table(`CPU of the idle guardian, slices of ${seconds} s: median (least–most)`, rows);
}

async function turn(running: Running, stopped: Running, seconds: number): Promise<number> {
  stopped.child.kill('SIGSTOP');
  running.child.kill('SIGCONT');
  await sleep(1000);
  const [before, startMs] = [cpuMs(running.pid), performance.now()];
  await sleep(seconds * 1000);
  return (100 * (cpuMs(running.pid) - before)) / (performance.now() - startMs);
}
