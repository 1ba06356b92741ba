import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Cost } from '../read-cost.ts';
import { spread, table } from '../support/numbers.ts';
import { nodeVersion, type Setting } from '../support/programs.ts';

const RUNS = 3;
/** Room for all garbage of a run: a collection in between would hide it. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'];

/** What one reading and one whole round of the loop take in time and leave as garbage, each run in a process of its own. */
export async function read(setting: Setting): Promise<void> {
  const rows = [['Node', 'what', 'µs', 'bytes of garbage']];
  for (const node of setting.nodes) {
    const runs: Cost[][] = [];
    for (let i = 0; i < (setting.runs ?? RUNS); i++) {
      const out = execFileSync(node, [...FLAGS, fileURLToPath(new URL('./read-cost.mjs', import.meta.url))]);
      runs.push(JSON.parse(out.toString()));
    }
    for (const { what } of runs[0] ?? []) {
      const of = (key: 'us' | 'bytes') =>
        runs.map((run) => run.find((cost) => cost.what === what)?.[key] ?? Number.NaN);
      rows.push([nodeVersion(node), what, spread(of('us')), spread(of('bytes'), 0)]);
    }
  }
  table('Cost of one: median (least–most) over processes', rows);
}
