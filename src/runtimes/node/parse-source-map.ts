/** A source map, version 3, as far as it is needed here. */
export interface SourceMap {
  sources?: (string | null)[];
  sourceRoot?: string | null;
  sourcesContent?: (string | null)[] | null;
  names?: string[];
  mappings?: string;
  sections?: { offset: { line: number; column: number }; map: SourceMap }[];
}

/** A place in a text, both from 0. */
export interface Position {
  line: number;
  column: number;
}

/** Where a place of the code that runs comes from. */
export interface Origin extends Position {
  /** With the map's root; not yet resolved against where the map is. */
  source: string;
  /** What the map calls what stands there; `null` where it gives no name. */
  name: string | null;
  /** Whether a mapping begins just there; otherwise it is the nearest before it on the line. */
  exact: boolean;
  /** The source's line, where the map brings its sources along. */
  text: string | null;
}

const CODES = new Uint8Array(128).fill(255);
[...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].forEach((letter, value) => {
  CODES[letter.charCodeAt(0)] = value;
});
const COMMA = 44;
const SEMICOLON = 59;

/** The last `sourceMappingURL` of a script; `null` where there is none. */
export function sourceMapUrl(script: string): string | null {
  const found = script.lastIndexOf('sourceMappingURL=');
  if (found < 0 || !/(?:\/\/|\/\*)[#@]\s*$/.test(script.slice(Math.max(0, found - 8), found))) return null;
  return /^[^\s'"*]+/.exec(script.slice(found + 'sourceMappingURL='.length))?.[0] ?? null;
}

/**
 * Origins of some positions, in one pass that stores nothing else. A decoded map takes 20 times the memory of its text
 * (8 MB: 160 MB and 0.6 s of a blocked loop), more than a guardian may have; looking up a dozen functions needs none of that.
 * @returns one for each position, `null` where the map says nothing
 */
export function originsOf(map: SourceMap, positions: readonly Position[]): (Origin | null)[] {
  if (map.sections) return positions.map((position) => originInSections(map.sections ?? [], position));
  const found = segmentsAt(map.mappings ?? '', positions);
  return found.map((segment) => {
    const source = segment && map.sources?.[segment.source];
    if (!segment || !source) return null;
    const { line, column, exact } = segment;
    return {
      line,
      column,
      exact,
      source: map.sourceRoot ? `${map.sourceRoot.replace(/\/$/, '')}/${source}` : source,
      name: map.names?.[segment.name] ?? null,
      text: lineOf(map.sourcesContent?.[segment.source], line),
    };
  });
}

function originInSections(sections: NonNullable<SourceMap['sections']>, { line, column }: Position) {
  const section = sections.findLast(
    ({ offset }) => offset.line < line || (offset.line === line && offset.column <= column),
  );
  if (!section || section.map.sections) return null;
  const { offset, map } = section;
  const inside = { line: line - offset.line, column: line === offset.line ? column - offset.column : column };
  return originsOf(map, [inside])[0] ?? null;
}

interface Segment extends Position {
  source: number;
  /** -1 where it has none. */
  name: number;
  exact: boolean;
}

/** Reads `mappings` from its beginning, since all numbers in it are differences, and picks what is asked for. */
function segmentsAt(mappings: string, positions: readonly Position[]): (Segment | null)[] {
  const found: (Segment | null)[] = positions.map(() => null);
  const wanted = new Map<number, number[]>();
  for (const [i, { line }] of positions.entries()) wanted.set(line, [...(wanted.get(line) ?? []), i]);
  const lastLine = Math.max(-1, ...wanted.keys());

  const fields = [0, 0, 0, 0, 0]; // column here; source, its line, its column, name
  let line = 0;
  let asked = wanted.get(0);
  let field = 0;
  let value = 0;
  let shift = 0;
  const endOfSegment = () => {
    if (asked && field > 0) {
      const [here = 0, source = 0, sourceLine = 0, sourceColumn = 0, name = 0] = fields;
      for (const i of asked) {
        const column = positions[i]?.column ?? 0;
        if (here > column) continue;
        found[i] =
          field < 4
            ? null // code that stands in no source
            : {
                source,
                line: sourceLine,
                column: sourceColumn,
                name: field > 4 ? name : -1,
                exact: here === column,
              };
      }
    }
    field = 0;
  };
  for (let i = 0; i < mappings.length && line <= lastLine; i++) {
    const code = mappings.charCodeAt(i);
    if (code === COMMA) endOfSegment();
    else if (code === SEMICOLON) {
      endOfSegment();
      fields[0] = 0;
      asked = wanted.get(++line);
    } else {
      const digit = CODES[code] ?? 255;
      if (digit === 255) return positions.map(() => null);
      value |= (digit & 31) << shift;
      shift += 5;
      if (digit & 32) continue;
      if (field < 5) fields[field] = (fields[field] ?? 0) + (value & 1 ? -(value >>> 1) : value >>> 1);
      field++;
      value = 0;
      shift = 0;
    }
  }
  endOfSegment();
  return found;
}

/** One line of a text, from 0; `null` where it has no such line. */
export function lineOf(text: string | null | undefined, line: number): string | null {
  if (!text) return null;
  let from = 0;
  for (let i = 0; i < line; i++) {
    from = text.indexOf('\n', from) + 1;
    if (from === 0) return null;
  }
  const end = text.indexOf('\n', from);
  return text.slice(from, end < 0 ? undefined : end);
}
