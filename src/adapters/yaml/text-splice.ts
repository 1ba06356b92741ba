/** A change of a text: what stands from `start` to before `end` becomes `text`. */
export interface Splice {
  start: number;
  end: number;
  text: string;
}

/**
 * The part of a text from `start` to before `end` with changes made; insertions at one place stand in the order given.
 * @returns `undefined` when changes overlap
 */
export function spliced(
  text: string,
  splices: readonly Splice[],
  start: number,
  end: number,
): string | undefined {
  let out = '';
  let done = start;
  for (const splice of splices.toSorted((a, b) => a.start - b.start)) {
    if (splice.start < done) return undefined;
    out += text.slice(done, splice.start) + splice.text;
    done = splice.end;
  }
  return out + text.slice(done, end);
}

/** Where the line begins that holds `offset`. */
export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** Where the next line begins; `offset` itself when that is at the beginning of a line, behind what ends with one. */
export function nextLine(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset;
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end + 1;
}

/** Lines moved right; empty ones stay empty. */
export function indented(lines: string, columns: number): string {
  return lines.replace(/^(?=.)/gm, ' '.repeat(columns));
}

/** A flow collection. */
interface FlowPlace {
  range: readonly [start: number, end: number, ...more: number[]];
  before: number | undefined;
  /** In its document. */
  depth: number;
}

/**
 * Puts an item into a flow collection, `{…}` or `[…]`: before the item at `before`, else at its end. The text around it
 * decides whether it is spread over lines.
 * @param key as it is to be written; empty in a list
 */
export function flowInsertion(
  text: string,
  { range: [start, end], before, depth }: FlowPlace,
  key: string,
  value: unknown,
): Splice | undefined {
  const isJson = /^\s*[{[]/.test(text);
  const minified = isJson && !/^\s*[{[][^\n]*?[:,]\s/.test(text);
  const unit = isJson ? /[{[]\r?\n([ \t]+)/.exec(text)?.[1] : undefined;
  const json = JSON.stringify(value, null, unit).replace(/\n(?=.)/g, `\n${unit?.repeat(depth + 1)}`);
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const item = `${key}${key && (minified ? ':' : ': ')}${json}`.replaceAll('\n', eol);
  const inner = text.slice(start + 1, end - 1);
  if (before !== undefined) {
    const gap = /\s*$/.exec(text.slice(start + 1, before))?.[0] ?? '';
    return { start: before, end: before, text: `${item},${gap || (minified ? '' : ' ')}` };
  }
  if (inner.trim() === '') {
    const [open, close] = unit
      ? [`${eol}${unit.repeat(depth + 1)}`, `${eol}${unit.repeat(depth)}`]
      : ['', ''];
    return { start: start + 1, end: end - 1, text: open + item + close };
  }
  const last = start + 1 + inner.trimEnd().length;
  const gap = /^\s*/.exec(inner)?.[0] ?? '';
  return { start: last, end: last, text: `,${gap || (minified ? '' : ' ')}${item}` };
}
