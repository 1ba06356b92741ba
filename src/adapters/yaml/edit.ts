import {
  Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import type { Operation } from '../../core/inject/patch.ts';
import { flowInsertion, indented, lineStart, nextLine, type Splice, spliced } from './text-splice.ts';

type Path = readonly (string | number)[];

/** A value as lines of a document. */
export function block(value: unknown, indentSeq: boolean): string {
  return new Document(value, { version: '1.1', aliasDuplicateObjects: false })
    .toString({ lineWidth: 0, indentSeq })
    .replace(/^%YAML.*\n---\n/, '');
}

/**
 * The part of a text from `start` to `end`, which is one document, with the operations done in place; `undefined` where one of them
 * has no place of its own.
 */
export function edit(
  text: string,
  document: Document.Parsed,
  operations: readonly Operation[],
  [start, end]: readonly [start: number, end: number],
): string | undefined {
  const splices: Splice[] = [];
  for (const operation of operations) {
    const found = place(text, document, operation);
    if (found === undefined) return undefined;
    splices.push(found);
  }
  return spliced(text, splices, start, end);
}

/** Where an operation changes the text, and how. */
function place(text: string, document: Document.Parsed, operation: Operation): Splice | undefined {
  const { path } = operation;
  const key = path.at(-1);
  const steps = stepsTo(document, path.slice(0, -1));
  const parent = steps?.at(-1)?.node;
  if (key === undefined || !steps || !isCollection(parent) || !parent.range) return undefined;
  const header = steps.at(-1)?.pair;
  if (operation.op === 'remove')
    return parent.flow ? flowRemoval(parent, key) : blockRemoval(text, parent, key);
  const { value } = operation;
  if (isMap(parent)) {
    const pair = pairOf(parent, key);
    if (pair) return replacement(text, pair, parent, value);
  }
  if (parent.flow && parent.items.length === 0 && header) {
    const above = steps.at(-2)?.node;
    if (isMap(above) && !above.flow)
      return replacement(text, header, above, isMap(parent) ? { [key]: value } : [value]);
  }
  if (parent.flow)
    return flowInsertion(
      text,
      {
        range: parent.range,
        before: startOf(parent.items[isMap(parent) ? 0 : Number(key)]),
        depth: path.length - 1,
      },
      flowText(parent, key),
      value,
    );
  const indentSeq = indentsLists(text, document);
  if (isMap(parent)) {
    const column = columnOf(text, startOf(parent.items[0]));
    const at = header ? bodyOf(text, header) : placeIn(text, parent);
    return column === undefined || at === undefined
      ? undefined
      : insertion(text, at, indented(block({ [key]: value }, indentSeq), column));
  }
  const column = parent.range[0] - lineStart(text, parent.range[0]);
  const item = indented(block([value], indentSeq), column);
  if (key === 0) {
    const at = header && bodyOf(text, header);
    return at === undefined ? undefined : insertion(text, at, item);
  }
  return key === parent.items.length ? insertion(text, nextLine(text, endOf(parent)), item) : undefined;
}

/** Where lines of a mapping's own begin that has no key: above it, or below its first pair where that stands behind the dash of a list. */
function placeIn(text: string, map: YAMLMap): number {
  const first = startOf(map.items[0]) ?? 0;
  const start = lineStart(text, first);
  return /-\s/.test(text.slice(start, first)) ? nextLine(text, endOf(map.items[0])) : start;
}

interface Step {
  node: unknown;
  /** The pair whose value it is. */
  pair: Pair | undefined;
}

/** The nodes on a path; `undefined` where an alias or a merged key stands on it. */
function stepsTo(document: Document.Parsed, path: Path): Step[] | undefined {
  const steps: Step[] = [{ node: document.contents, pair: undefined }];
  for (const key of path) {
    const node = steps.at(-1)?.node;
    if (isMap(node)) {
      const pair = pairOf(node, key);
      if (!pair || isAlias(pair.value)) return undefined;
      steps.push({ node: pair.value, pair });
    } else if (isSeq(node)) steps.push({ node: node.items[Number(key)], pair: undefined });
    else return undefined;
  }
  return steps;
}

function pairOf(map: YAMLMap, key: string | number): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** Where lines of a pair's own begin: below its key, when nothing but a comment follows that. */
function bodyOf(text: string, pair: Pair): number | undefined {
  const end = isNode(pair.key) ? pair.key.range?.[1] : undefined;
  if (end === undefined) return undefined;
  const rest = text.slice(end, nextLine(text, end));
  return /^\s*:(\s+[&!]\S*)*(\s+#.*)?\s*$/.test(rest) ? nextLine(text, end) : undefined;
}

/** Puts a value in the place of an empty one, below its key or in its place where that is within braces; a word for a word. */
function replacement(text: string, pair: Pair, parent: YAMLMap, value: unknown): Splice | undefined {
  const old = isNode(pair.value) ? pair.value : null;
  const body = bodyOf(text, pair);
  const column = columnOf(text, startOf(pair));
  if (isWord(old) && old.range && typeof value === 'string')
    return { start: old.range[0], end: old.range[1], text: JSON.stringify(value) };
  if (column === undefined || isAlias(old) || isFilled(old)) return undefined;
  const lines = indented(block(value, true), column + 2);
  if (!parent.flow && body !== undefined) return insertion(text, body, lines);
  if (!old?.range || old.range[0] === old.range[1]) return undefined;
  if (parent.flow) return { start: old.range[0], end: old.range[1], text: JSON.stringify(value) };
  const rest = text.slice(old.range[1], nextLine(text, old.range[1]));
  if (!/^\s*(#.*)?\s*$/.test(rest)) return undefined;
  const end = nextLine(text, old.range[1]);
  const start = text.slice(0, old.range[0]).trimEnd().length;
  const { text: added } = insertion(text, end, lines);
  return { start, end, text: rest + added };
}

/** Whether it is a scalar without lines of its own. */
function isWord(node: Node | null): node is Scalar {
  return (
    isScalar(node) && node.value !== null && !/^BLOCK/.test(node.type ?? '') && !node.anchor && !node.tag
  );
}

/** Whether something is lost with a value. */
function isFilled(node: Node | null): boolean {
  return isCollection(node) ? node.items.length > 0 : isScalar(node) && node.value !== null;
}

/** Whole lines, with the text's own line ends; a last line without one stays so. */
function insertion(text: string, at: number, lines: string): Splice {
  const own = text.includes('\r\n') ? lines.replaceAll('\n', '\r\n') : lines;
  if (at < text.length || text.endsWith('\n')) return { start: at, end: at, text: own };
  const eol = own.endsWith('\r\n') ? '\r\n' : '\n';
  return { start: at, end: at, text: eol + own.slice(0, -eol.length) };
}

function blockRemoval(text: string, parent: YAMLMap | YAMLSeq, key: string | number): Splice | undefined {
  const item = isMap(parent) ? pairOf(parent, key) : parent.items[Number(key)];
  const at = startOf(item);
  if (item === undefined || at === undefined) return undefined;
  const start = lineStart(text, at);
  if (!(isMap(parent) ? /^ *$/ : /^ *- +$/).test(text.slice(start, at))) return undefined;
  const end = nextLine(text, endOf(item));
  // the last line of a text without a line end at its end: that of the line before goes instead
  if (end === text.length && !text.endsWith('\n') && start > 0)
    return { start: start - (text[start - 2] === '\r' ? 2 : 1), end, text: '' };
  return { start, end, text: '' };
}

function flowRemoval(parent: YAMLMap | YAMLSeq, key: string | number): Splice | undefined {
  const items: unknown[] = parent.items;
  const index = items.indexOf(isMap(parent) ? pairOf(parent, key) : items[Number(key)]);
  const [start, end] = [startOf(items[index]), endOf(items[index])];
  if (start === undefined || !parent.range) return undefined;
  const next = startOf(items[index + 1]);
  if (next !== undefined) return { start, end: next, text: '' };
  if (index > 0) return { start: endOf(items[index - 1]), end, text: '' };
  return { start: parent.range[0] + 1, end: parent.range[1] - 1, text: '' };
}

function flowText(parent: YAMLMap | YAMLSeq, key: string | number): string {
  return isMap(parent) ? JSON.stringify(String(key)) : '';
}

function startOf(item: unknown): number | undefined {
  const node = isPair(item) ? item.key : item;
  return isNode(node) ? node.range?.[0] : undefined;
}

/** Where the last value in something ends; comments behind it are not its own. */
function endOf(item: unknown): number {
  if (isPair(item)) return item.value ? endOf(item.value) : endOf(item.key);
  if (isCollection(item) && !item.flow && item.items.length > 0) return endOf(item.items.at(-1));
  return isNode(item) ? (item.range?.[1] ?? 0) : 0;
}

function columnOf(text: string, offset: number | undefined): number | undefined {
  return offset === undefined ? undefined : offset - lineStart(text, offset);
}

/** Whether lists stand further right than their key, as the first one in the document does. */
function indentsLists(text: string, document: Document.Parsed): boolean {
  let indents: boolean | undefined;
  visit(document, {
    Pair: (_, pair) => {
      if (!isSeq(pair.value) || pair.value.flow || !pair.value.range) return undefined;
      indents = (columnOf(text, pair.value.range[0]) ?? 0) > (columnOf(text, startOf(pair)) ?? 0);
      return visit.BREAK;
    },
  });
  return indents ?? true;
}
