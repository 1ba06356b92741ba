import { type Document, isNode, LineCounter, parseAllDocuments, type Tags, visit } from 'yaml';
import { difference, equal } from '../../core/inject/patch.ts';
import { messageOf } from '../../core/lib/errors.ts';
import { nestsTooDeep } from '../../core/lib/nesting.ts';
import { block, edit } from './edit.ts';
import { lineStart, nextLine } from './text-splice.ts';

/** As Kubernetes reads it: `yes` is true, `<<` merges, and `1:30` and dates are texts. */
const DIALECT = {
  version: '1.1',
  merge: true,
  prettyErrors: false,
  logLevel: 'silent',
  customTags: (tags: Tags): Tags =>
    tags.filter(
      (tag) =>
        typeof tag === 'string' || (tag.format !== 'TIME' && tag.tag !== 'tag:yaml.org,2002:timestamp'),
    ),
} as const;
/** After some syntax errors the others are mostly consequences of the first. */
const MAX_PROBLEMS = 10;

type Path = readonly (string | number)[];

/** One thing wrong with a text; lines and columns count from 1. */
export interface ManifestProblem {
  line: number;
  column: number;
  message: string;
}

/** A text of YAML or JSON documents, to be changed in places and written back. */
export interface Manifest {
  /** The documents as plain values. */
  documents: readonly { value: unknown; lineOf(path: Path): number }[];
  /**
   * The text with documents replaced, by their position. What a document keeps stays byte for byte: comments, order, anchors,
   * quotes, line ends. Where aliases or merge keys make that impossible the document is written anew, and `rewritten` says so.
   */
  write(changed: ReadonlyMap<number, unknown>): { text: string; rewritten: number[] };
}

/** Reads a text; or says all that is wrong with it, at most ten things. */
export function parseManifest(text: string): Manifest | { problems: ManifestProblem[] } {
  const lines = new LineCounter();
  const problem = (offset: number, message: string): ManifestProblem => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col, message: message.replace(/\s+/g, ' ') };
  };
  let documents: Document.Parsed[];
  try {
    if (nestsTooDeep(text)) throw new Error('the nesting is too deep');
    documents = [...parseAllDocuments(text, { ...DIALECT, lineCounter: lines })];
  } catch (thrown) {
    return { problems: [{ line: 1, column: 1, message: `the YAML cannot be parsed: ${messageOf(thrown)}` }] };
  }
  const template = templateIn(text, documents);
  if (template !== undefined)
    return {
      problems: [
        problem(
          template,
          'this is a template, not a manifest: render it first, for example with `helm template`',
        ),
      ],
    };
  const problems = documents.flatMap(({ errors }) =>
    errors.map(({ message, pos }) => problem(pos[0], message)),
  );
  if (problems.length > 0) return { problems: problems.slice(0, MAX_PROBLEMS) };
  const values: unknown[] = [];
  for (const document of documents)
    try {
      values.push(document.toJS());
    } catch (thrown) {
      problems.push(problem(document.range[0], messageOf(thrown)));
    }
  if (problems.length > 0) return { problems };

  const slices = documents.map(({ range }, i) => [documents[i - 1]?.range[2] ?? 0, range[2]] as const);
  return {
    documents: documents.map((document, i) => ({
      value: values[i],
      lineOf: (path) => lines.linePos(offsetOf(document, path)).line,
    })),
    write(changed) {
      const rewritten: number[] = [];
      const parts = slices.map(([start, end], i) => {
        const [document, value] = [documents[i], changed.get(i)];
        const part = text.slice(start, end);
        if (document === undefined || value === undefined) return part;
        const edited = edit(text, document, difference(values[i], value), [start, end]);
        if (edited !== undefined && reads(edited, value)) return edited;
        rewritten.push(i);
        return anew(part, (document.contents?.range?.[0] ?? start) - start, value);
      });
      return { text: parts.join('') + text.slice(slices.at(-1)?.[1] ?? 0), rewritten };
    },
  };
}

/** Where a template's braces stand in place of a value; within quotes and texts they are a value's own business. */
function templateIn(text: string, documents: readonly Document.Parsed[]): number | undefined {
  let found: number | undefined;
  for (const document of documents) {
    visit(document, {
      Map: (_, { range }) => {
        if (!range || !text.startsWith('{{', range[0])) return undefined;
        found = range[0];
        return visit.BREAK;
      },
    });
    found ??= document.errors.find(({ pos }) => /\{[{%]/.test(lineAt(text, pos[0])))?.pos[0];
    if (found !== undefined) return found;
  }
  return undefined;
}

function lineAt(text: string, offset: number): string {
  return text.slice(lineStart(text, offset), nextLine(text, offset));
}

/** Where something stands, or the nearest that it is in. */
function offsetOf(document: Document.Parsed, path: Path): number {
  for (let end = path.length; end > 0; end--) {
    const node = document.getIn(path.slice(0, end), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? document.range[0];
}

/** Whether a text is one document of this value. */
function reads(text: string, value: unknown): boolean {
  const documents = [...parseAllDocuments(text, DIALECT)];
  const [document] = documents;
  return documents.length === 1 && document?.errors.length === 0 && equal(document.toJS(), value);
}

/** A document written anew: what stands before its contents stays. */
function anew(part: string, contentsAt: number, value: unknown): string {
  const eol = part.includes('\r\n') ? '\r\n' : '\n';
  return part.slice(0, contentsAt) + block(value, true).replaceAll('\n', eol);
}
