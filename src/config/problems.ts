import { SpillwayError } from '../core/lib/errors.ts';

/** One thing wrong with the configuration. */
export interface Problem {
  /** `--shed-ratio`, `SPILLWAY_SHED_RATIO` or `spillway.yaml:3:12`. */
  place: string;
  /** The thing and what is wrong with it. */
  message: string;
  /** What to do about it. */
  hint: string;
}

/** All problems as the one error that is thrown, a line for each. */
export function configError(problems: readonly Problem[]): SpillwayError {
  const lines = problems.map(({ place, message, hint }) => `${place}: ${message}; ${hint}`);
  return new SpillwayError(
    'config',
    lines.length === 1
      ? `the configuration is wrong: ${lines[0]}`
      : `the configuration has ${lines.length} problems:\n  ${lines.join('\n  ')}`,
    { hint: '`spillway config --schema` prints what a configuration file may hold' },
  );
}

/** What to do about a name that is not known: use the nearest one, or remove it. */
export function hintUnknown(name: string, known: readonly string[]): string {
  let nearest: string | undefined;
  // A third of the letters wrong is still taken for a slip, or a known name with more behind it; case and dashes do not count.
  let least = Math.floor(bare(name).length / 3) + 1;
  for (const candidate of known) {
    const longer = bare(name).startsWith(bare(candidate));
    const distance = longer ? 0 : editDistance(bare(name), bare(candidate), least);
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest === undefined ? 'remove it' : `did you mean ${nearest}?`;
}

/** What all names of a kind share says nothing about which is meant. */
function bare(name: string): string {
  return name
    .toLowerCase()
    .replace(/^spillway_|^--/, '')
    .replace(/[-_]/g, '');
}

/** Letters to insert, delete or replace (Levenshtein); `enough` when it is certain to reach that. */
function editDistance(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
