import { CONTENDERS, type ContenderName, chosen, contendersOf, LABELS } from '../goodput/contenders.ts';
import { DRAWN, type DrawnLoad, drawLoads, SEEDS } from '../goodput/drawn-loads.ts';
import { FIXED_LOADS } from '../goodput/fixed-loads.ts';
import type { Load } from '../goodput/load.ts';
import { goodputRun } from '../goodput/run.ts';
import { middle, type Score } from '../goodput/score.ts';
import { printLoad, printSummary } from '../goodput/tables.ts';
import type { Result } from '../goodput/verdicts.ts';
import { makeWorkspace, type Workspace } from '../goodput/workspace.ts';
import type { Setting } from '../support/programs.ts';

export interface GoodputSetting extends Setting {
  /** These fixed loads instead of drawn ones. */
  only?: string[];
  /** Only these contenders. */
  contenders?: string[];
  /** What the loads are drawn from; by default a seed that differs each time. */
  seed?: number;
  /** So many of the loads drawn. 0: only their list. */
  loads?: number;
  /** The loads with these indices. */
  load?: number[];
}

/** Replicas behind a balancer, loads with fixed arrival times, and what each way to guard them makes of them. */
export async function goodput(setting: GoodputSetting): Promise<void> {
  const [node = process.execPath] = setting.nodes;
  const names = contendersOf(setting.contenders, { node, dist: setting.dist });
  const loads = loadsOf(setting);
  for (const { about } of loads) console.log(about);
  if (setting.loads === 0) return;
  console.log(`contenders: ${names.join(', ')} (of ${Object.keys(CONTENDERS).join(', ')})`);
  const workspace = makeWorkspace();
  const results: Result[] = [];
  try {
    for (const load of loads) {
      const result = {
        ...(load.kind && { kind: load.kind }),
        replicas: load.replicas,
        offered: load.arrivals(workspace.directory).length,
        scores: await scoresOf(setting, load, names, workspace),
      };
      printLoad(load.about, result);
      results.push(result);
    }
  } finally {
    workspace.remove();
  }
  if (results.length > 1) printSummary(results);
}

type AnyLoad = Load & Partial<Pick<DrawnLoad, 'kind'>>;

function loadsOf({ only, seed = Math.floor(Math.random() * SEEDS), loads, load }: GoodputSetting): AnyLoad[] {
  if (only) return chosen(Object.keys(FIXED_LOADS), only).map((name) => FIXED_LOADS[name] as Load);
  console.log(`\nloads drawn with --seed ${seed}:`);
  const all: AnyLoad[] = drawLoads(seed);
  if (load)
    return chosen([...all.keys()].map(String), load.map(String)).map((i) => all[Number(i)] as AnyLoad);
  return all.slice(0, loads === 0 ? DRAWN : loads);
}

async function scoresOf(
  setting: GoodputSetting,
  load: Load,
  names: readonly ContenderName[],
  workspace: Workspace,
): Promise<Map<ContenderName, Score>> {
  const scores = new Map<ContenderName, Score>();
  for (const name of names) {
    const runs: Score[] = [];
    for (let run = 0; run < (setting.runs ?? 1); run++)
      try {
        runs.push(await goodputRun(setting, load, name, workspace));
      } catch (error) {
        // the other runs of hours are worth more than this one
        console.log(`${load.about}: ${LABELS[name]}: ${error instanceof Error ? error.message : error}`);
      }
    if (runs.length > 0) scores.set(name, middle(runs));
  }
  return scores;
}
