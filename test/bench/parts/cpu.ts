import { setTimeout as sleep } from 'node:timers/promises';
import { median, spread, table } from '../support/numbers.ts';
import { cpuMs } from '../support/process-cost.ts';
import {
  launch,
  launchGuard,
  launchResting,
  nodeVersion,
  program,
  type Running,
  type Setting,
} from '../support/programs.ts';

const MIB = 2 ** 20;
const REPEATS = 4;
const SLICE_SECONDS = 15;
/** The longest sampling interval. */
const TIMER_MS = 1000;
/** Start-up and the first compilations are over, and the agent's processes are looked at as seldom as they ever are. */
const WARM_MS = 20_000;
const AGENTS = [
  { limitBytes: 2048 * MIB, rest: 0.2 },
  { limitBytes: 512 * MIB, rest: 0.5 },
] as const;

/** The guardian of an agent at rest and an empty timer take turns; whose turn it is not is stopped. */
export async function cpu(setting: Setting): Promise<void> {
  const seconds = setting.seconds ?? SLICE_SECONDS;
  const rows = [['Node', 'guardian of an agent at', '% of a core', `an empty timer of 1 s, % of a core`]];
  for (const node of setting.nodes)
    for (const { limitBytes, rest } of AGENTS) {
      const agent = await launchResting(node, limitBytes, rest);
      const guard = await launchGuard(setting, node, agent.pid);
      const timer = launch(node, [program('empty-timer'), `${TIMER_MS}`]);
      const watched = [guard, timer];
      await sleep(WARM_MS);
      const shares: [guard: number[], timer: number[]] = [[], []];
      for (let i = 0; i < (setting.runs ?? REPEATS); i++) {
        shares[0].push(await turnOf(guard, watched, seconds));
        shares[1].push(await turnOf(timer, watched, seconds));
      }
      const place = `${100 * rest} % of ${limitBytes / MIB} MiB`;
      rows.push([nodeVersion(node), place, spread(shares[0], 2), spread(shares[1], 2)]);
      for (const each of [...watched, agent]) await each.end();
      if (median(shares[1]) > QUIET_PERCENT)
        console.log('the machine is busy: an empty timer costs more than it does at rest');
    }
  table(`CPU of the idle guardian, slices of ${seconds} s: median (least–most)`, rows);
}

/** On a quiet machine an empty timer of 1 s costs 0.03 %. */
const QUIET_PERCENT = 0.05;

async function turnOf(running: Running, all: readonly Running[], seconds: number): Promise<number> {
  for (const each of all) each.child.kill(each === running ? 'SIGCONT' : 'SIGSTOP');
  await sleep(1000);
  const [before, startMs] = [cpuMs(running.pid), performance.now()];
  await sleep(seconds * 1000);
  return (100 * (cpuMs(running.pid) - before)) / (performance.now() - startMs);
}
