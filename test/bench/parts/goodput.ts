import { CONTENDERS, type ContenderName, LABELS, RIVALS } from '../support/contenders.ts';
import { goodputRun } from '../support/goodput-run.ts';
import { LOADS, type Load } from '../support/loads.ts';
import { table } from '../support/numbers.ts';
import type { Setting } from '../support/programs.ts';
import { middle, type Score } from '../support/score.ts';
import { makeWorkspace } from '../support/workspace.ts';

export interface GoodputSetting extends Setting {
  /** Only these loads. */
  only?: string[];
  /** Only these contenders. */
  contenders?: string[];
}

/** One replica behind a balancer, six loads with fixed arrival times, and what each way to guard it makes of them. */
export async function goodput(setting: GoodputSetting): Promise<void> {
  const loads = chosen(Object.keys(LOADS), setting.only);
  const names = chosen(Object.keys(CONTENDERS), setting.contenders) as ContenderName[];
  const workspace = makeWorkspace();
  try {
    for (const name of loads) {
      const load = LOADS[name] as Load;
      const results = new Map<ContenderName, Score>();
      for (const contender of names) {
        const scores: Score[] = [];
        for (let run = 0; run < (setting.runs ?? 1); run++)
          scores.push(await goodputRun(setting, load, contender, workspace));
        results.set(contender, middle(scores));
      }
      print(load, load.arrivals(workspace.directory).length, results);
    }
  } finally {
    workspace.remove();
  }
}

const COLUMNS: readonly [head: string, of: (score: Score) => string][] = [
  ['served', ({ served }) => `${served}`],
  ['refused', ({ refused }) => `${refused}`],
  ['broken', ({ broken }) => `${broken}`],
  ['foreseeable', ({ brokenForeseeable }) => `${brokenForeseeable}`],
  ['kills (lead)', ({ kills, leadMs }) => (kills > 0 ? `${kills} (${leadMs.toFixed(0)} ms)` : '0')],
  ['aborts', ({ aborts }) => `${aborts}`],
  ['ended', ({ ended }) => `${ended}`],
  ['restarts', ({ restarts }) => `${restarts}`],
  ['sessions lost', ({ sessionsLost }) => `${sessionsLost}`],
  ['false sheds', ({ falseSheds }) => `${falseSheds}`],
  ['503 below 0.85', ({ below }) => `${below}`],
  ['longest un-ready', ({ longestUnreadyMs }) => `${(longestUnreadyMs / 1000).toFixed(1)} s`],
  ['ready at the end', ({ readyAtEnd }) => (readyAtEnd ? 'yes' : 'NO')],
  ['peak', ({ peakRatio }) => peakRatio.toFixed(2)],
];

function print(load: Load, offered: number, results: ReadonlyMap<ContenderName, Score>): void {
  const rows = [...results].map(([name, result]) => [LABELS[name], ...COLUMNS.map(([, of]) => of(result))]);
  const title = `Goodput: ${load.about}; ${offered} requests offered, limit ${load.limitMiB} MiB`;
  table(title, [['guard', ...COLUMNS.map(([head]) => head)], ...rows]);
  for (const line of verdicts(results)) console.log(line);
}

/** What was to be reached, for each contender that is not one of the guards without help. */
function verdicts(results: ReadonlyMap<ContenderName, Score>): string[] {
  const best = Math.max(...RIVALS.flatMap((rival) => results.get(rival)?.served ?? []));
  return [...results].flatMap(([name, result]) => {
    if (RIVALS.includes(name)) return [];
    const missed = [
      result.served < best ? `served ${result.served}, the best of the others ${best}` : '',
      result.brokenForeseeable > 0 ? `${result.brokenForeseeable} broken that could be foreseen` : '',
      result.falseSheds > 0 ? `${result.falseSheds} false sheds` : '',
      result.readyAtEnd ? '' : 'un-ready at the end',
    ].filter(Boolean);
    const compared = RIVALS.every((rival) => results.has(rival)) ? '' : ' (not beside all three others)';
    return [`${LABELS[name]}${compared}: ${missed.length > 0 ? `MISSED: ${missed.join('; ')}` : 'reached'}`];
  });
}

function chosen(all: readonly string[], wanted: readonly string[] | undefined): string[] {
  const unknown = wanted?.filter((name) => !all.includes(name)) ?? [];
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: not among ${all.join(', ')}`);
  return all.filter((name) => wanted?.includes(name) ?? true);
}
