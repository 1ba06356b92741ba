import { table } from '../support/numbers.ts';
import { type ContenderName, LABELS, RIVALS } from './contenders.ts';
import type { Score } from './score.ts';
import { missedBy, overAll, type Result, seconds, type Total, totals } from './verdicts.ts';

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
  ['moved', ({ sessionsMoved }) => `${sessionsMoved}`],
  ['un-ready', ({ unreadyMs }) => seconds(unreadyMs)],
  ['none ready', ({ noneReadyMs }) => seconds(noneReadyMs)],
  ['p50', ({ p50Ms }) => `${p50Ms.toFixed(0)} ms`],
  ['p99', ({ p99Ms }) => `${p99Ms.toFixed(0)} ms`],
  ['false sheds', ({ falseSheds }) => `${falseSheds}`],
  ['503 below 0.85', ({ below }) => `${below}`],
  ['ready at the end', ({ readyAtEnd }) => (readyAtEnd ? 'yes' : 'NO')],
  ['peak', ({ peakRatio }) => peakRatio.toFixed(2)],
];

const TOTALS: readonly [head: string, of: (total: Total) => string][] = [
  ['served', ({ served }) => `${served}`],
  ['of offered', ({ served, offered }) => `${((100 * served) / offered).toFixed(1)} %`],
  ['refused', ({ refused }) => `${refused}`],
  ['broken', ({ broken }) => `${broken}`],
  ['foreseeable', ({ brokenForeseeable }) => `${brokenForeseeable}`],
  ['kills', ({ kills }) => `${kills}`],
  ['aborts', ({ aborts }) => `${aborts}`],
  ['loads with either', ({ loadsKilled, loads }) => `${loadsKilled} of ${loads}`],
  ['sessions lost', ({ sessionsLost }) => `${sessionsLost}`],
  ['un-ready', ({ unreadyMs }) => seconds(unreadyMs)],
  ['none ready', ({ noneReadyMs }) => seconds(noneReadyMs)],
];

const isOurs = (name: ContenderName) => !RIVALS.includes(name);

/** One load: a row for each contender, and what was to be reached. */
export function printLoad(about: string, result: Result): void {
  const rows = [...result.scores].map(([name, each]) => [LABELS[name], ...COLUMNS.map(([, of]) => of(each))]);
  const title = `Goodput: ${about}; ${result.offered} requests offered`;
  table(title, [['guard', ...COLUMNS.map(([head]) => head)], ...rows]);
  for (const name of [...result.scores.keys()].filter(isOurs)) {
    const missed = missedBy(name, result);
    const alone = RIVALS.every((rival) => result.scores.has(rival)) ? '' : ' (not beside all others)';
    console.log(
      `${LABELS[name]}${alone}: ${missed.length > 0 ? `MISSED: ${missed.map(({ text }) => text).join('; ')}` : 'reached'}`,
    );
  }
}

/** All loads together. */
export function printSummary(results: readonly Result[]): void {
  const all = totals(results);
  const [{ loads, offered } = { loads: 0, offered: 0 }] = all.values();
  const rows = [...all].map(([name, each]) => [
    LABELS[name],
    ...TOTALS.map(([, of]) => of(each)),
    isOurs(name) ? `${each.reached} of ${each.loads}` : '',
  ]);
  table(`All ${loads} loads; ${offered} requests offered`, [
    ['guard', ...TOTALS.map(([head]) => head), 'loads with all targets reached'],
    ...rows,
  ]);
  for (const name of [...all.keys()].filter(isOurs)) {
    const { ratio, reached } = overAll(name, all);
    if (Number.isFinite(ratio))
      console.log(
        `${LABELS[name]}: ${reached ? 'reached' : 'MISSED'}: served ${(100 * (ratio - 1)).toFixed(1)} % more than the best alternative`,
      );
  }
}
