import { lineOf, type Position } from './parse-source-map.ts';

const IDENTIFIER = /^#?[\p{ID_Start}$_][\p{ID_Continue}$]*/u;
/** What may stand between a function's name and where V8 says that it begins: `name(`, `name = async (`, `name: function (`. */
const NAME_BEFORE =
  /(#?[\p{ID_Start}$_][\p{ID_Continue}$]*)['"]?\s*[:=]?\s*(?:async\s*)?(?:function\s*\*?\s*)?$/u;
/** How far before it the name is looked for. */
const REACH = 200;

/** `Agent.step` and `get step` are written `step`. */
function shortName(name: string): string {
  return name.split(/[. ]/).at(-1) ?? name;
}

/** Where the name of a function stands that begins at `at`; `null` where it does not stand just before. */
export function namePosition(script: string, at: Position, name: string): Position | null {
  const line = lineOf(script, at.line);
  if (line === null || name === '') return null;
  const from = Math.max(0, at.column - REACH);
  const found = NAME_BEFORE.exec(line.slice(from, at.column));
  if (!found || found[1] !== shortName(name)) return null;
  return { line: at.line, column: from + found.index };
}

/** The identifier that stands at a column of a line; `null` where none does. */
export function identifierAt(line: string | null, column: number): string | null {
  return (line !== null && IDENTIFIER.exec(line.slice(column))?.[0]) || null;
}

/**
 * The line of a function in a source that was compiled in memory (tsx, ts-node), where nothing tells how: V8's own line
 * when the name stands there (Node's type stripping keeps every line), else the only line that declares the name.
 * @returns from 1; `null` where that is unknown
 */
export function lineInSource(source: string, at: Position, name: string): number | null {
  const here = lineOf(source, at.line);
  if (name === '') return here !== null && at.column <= here.length ? at.line + 1 : null;
  const short = shortName(name);
  if (here !== null && namePosition(source, at, short)) return at.line + 1;
  const word = short.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const declares = new RegExp(
    `(?:\\bfunction\\s*\\*?\\s*|\\bclass\\s+)${word}(?![\\w$])|(?:^|[^\\w$.])${word}\\s*(?:[=:]\\s*(?:async\\b|function\\b|\\(|<|[\\w$]+\\s*=>)|(?:<[^()]*>)?\\([^()]*\\)\\s*(?::[^;=]*)?\\{)`,
  );
  const lines = source.split('\n').flatMap((line, i) => (declares.test(line) ? [i + 1] : []));
  return lines.length === 1 ? (lines[0] ?? null) : null;
}
