import { DRAWN_KINDS, drawLoad, type LoadOutcome, runLoad } from '../../support/drawn-requests.ts';
import { median, table } from '../support/numbers.ts';
import type { Setting } from '../support/programs.ts';

const LOADS = 1200;

/** What the gate makes of drawn requests on a simulated agent with a limit, beside none: its source in this checkout, no build. */
export async function gate({ runs = LOADS }: Setting): Promise<void> {
  const loads = Array.from({ length: runs }, (_, i) => drawLoad(i + 1));
  const rows = [
    ['load', 'loads', 'gate', 'offered', 'served', 'refused', 'broken', 'too late', 'kills', 'p90 of waits'],
  ];
  for (const kind of DRAWN_KINDS) {
    const drawn = loads.filter(({ name }) => name === kind);
    const offered = drawn.reduce((sum, { requests }) => sum + requests.length, 0);
    for (const gated of [false, true]) {
      const outcomes = drawn.map((load) => runLoad(load, gated));
      const sum = (of: keyof LoadOutcome) => `${outcomes.reduce((all, outcome) => all + outcome[of], 0)}`;
      const wait = `${median(outcomes.map(({ waitP90Ms }) => waitP90Ms)).toFixed(0)} ms`;
      const counts = (['served', 'refused', 'broken', 'late', 'kills'] as const).map(sum);
      rows.push([kind, `${drawn.length}`, gated ? 'yes' : 'no', `${offered}`, ...counts, wait]);
    }
  }
  table(
    `Simulated agents under ${runs} drawn loads of 24 s, seeds from 1; p90 of waits: the median load's`,
    rows,
  );
}
