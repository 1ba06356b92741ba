import { open } from 'node:fs/promises';
import type { Document, Node, Scalar } from 'yaml';
import { errnoOf, messageOf } from '../core/lib/errors.ts';
import { nestsTooDeep } from '../core/lib/nesting.ts';
import type { Problem } from './problems.ts';

/** Largest file that is read, in bytes: what a Kubernetes ConfigMap can hold. */
const MAX_FILE_BYTES = 1024 * 1024;

/** One key of the file with its value, where both stand. */
export interface FileEntry {
  key: string;
  /** A scalar; `[]` and `{}` stand for any list and mapping, which no option takes. */
  value: unknown;
  line: number;
  /** `spillway.yaml:3:1` */
  keyPlace: string;
  /** `spillway.yaml:3:12` */
  valuePlace: string;
}

/** After some syntax errors the others are mostly consequences of the first. */
const MAX_SYNTAX_PROBLEMS = 10;

/** `entries` is `undefined` when the file as a whole says nothing certain. */
export interface FileResult {
  entries: FileEntry[] | undefined;
  problems: Problem[];
}

const READ_FAILURES: Record<string, readonly [message: string, hint: string]> = {
  ENOENT: ['the file does not exist', 'give the path of an existing file'],
  ENOTDIR: ['the file does not exist', 'give the path of an existing file'],
  EISDIR: ['this is a directory', 'give the path of a file in it'],
  EACCES: ['the file is not readable', 'grant this user read access'],
  EPERM: ['the file is not readable', 'grant this user read access'],
};

/** A text, or what is wrong with it. */
export type TextResult = { text: string; problem?: never } | { text?: never; problem: Problem };

/**
 * Reads a file of UTF-8 text. Never throws.
 * @param path also a pipe, such as `/dev/stdin`
 * @param maxBytes a whole number of MiB
 */
export async function readTextFile(path: string, maxBytes: number = MAX_FILE_BYTES): Promise<TextResult> {
  try {
    return decoded(await readAtMost(path, maxBytes + 1), path, maxBytes);
  } catch (thrown) {
    const [message, hint] = READ_FAILURES[errnoOf(thrown) ?? ''] ?? [
      `the file cannot be read: ${messageOf(thrown)}`,
      'give the path of a readable file',
    ];
    return { problem: { place: path, message, hint } };
  }
}

/** As {@link readTextFile}, from a stream. @param name what messages call it */
export async function readTextStream(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  maxBytes: number,
): Promise<TextResult> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) break;
    }
  } catch (thrown) {
    return {
      problem: { place: name, message: `cannot be read: ${messageOf(thrown)}`, hint: 'pipe a file into it' },
    };
  }
  return decoded(Buffer.concat(chunks), name, maxBytes);
}

function decoded(bytes: Uint8Array, place: string, maxBytes: number): TextResult {
  if (bytes.length > maxBytes) {
    const message = `the file is larger than ${maxBytes / 2 ** 20} MiB`;
    return { problem: { place, message, hint: 'give a smaller file' } };
  }
  try {
    // a byte order mark stays: who writes the text back writes it as it was
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { problem: { place, message: 'the file is not UTF-8 text', hint: 'save it as UTF-8' } };
  }
}

/**
 * Reads a configuration file, YAML or JSON, which is a part of YAML. Never throws: what is wrong is in `problems`.
 * @param path also a pipe, such as `/dev/stdin`
 */
export async function readConfigFile(path: string): Promise<FileResult> {
  const { text, problem } = await readTextFile(path);
  if (problem) return { entries: undefined, problems: [problem] };
  try {
    if (nestsTooDeep(text)) throw new Error('the nesting is too deep');
    return await parseConfigText(text, path);
  } catch (thrown) {
    const message = `the file cannot be parsed: ${messageOf(thrown)}`;
    return {
      entries: undefined,
      problems: [{ place: path, message, hint: 'write a flat mapping of options' }],
    };
  }
}

async function readAtMost(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    while (length < maxBytes) {
      const chunk = Buffer.allocUnsafe(Math.min(65_536, maxBytes - length));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) break;
      chunks.push(chunk.subarray(0, bytesRead));
      length += bytesRead;
    }
    return Buffer.concat(chunks);
  } finally {
    await file.close();
  }
}

async function parseConfigText(text: string, path: string): Promise<FileResult> {
  // Loaded only here: whoever uses no file shall not carry the parser in memory. By `default`, because a bundled CommonJS
  // package has no other export.
  const { LineCounter, isAlias, isMap, isScalar, parseDocument } = (await import('yaml')).default;
  const lines = new LineCounter();
  // The parser's own search for equal keys takes quadratic time and does not tell where the first one stands.
  const document: Document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const syntax = [...document.errors, ...document.warnings].slice(0, MAX_SYNTAX_PROBLEMS);
  const problems: Problem[] = syntax.map(({ message, pos }) => ({
    place: place(pos[0]),
    message: message.replace(/\s+/g, ' '),
    hint: 'correct the YAML',
  }));
  if (problems.length > 0) return { entries: undefined, problems };

  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return { entries: [], problems };
  if (!isMap<Node, Node | null>(contents)) {
    const hint = 'write `option: value`, a line for each option';
    return {
      entries: undefined,
      problems: [{ place: place(offsetOf(contents)), message: 'this is not a mapping', hint }],
    };
  }

  const entries: FileEntry[] = [];
  const firstLines = new Map<string, number>();
  for (const { key: keyNode, value: valueNode } of contents.items) {
    const key = isScalar(keyNode) ? String(keyNode.value) : 'a key that is not text';
    const { line } = lines.linePos(offsetOf(keyNode));
    const keyPlace = place(offsetOf(keyNode));
    const first = firstLines.get(key);
    if (first !== undefined) {
      const message = `${key} appears twice, first in line ${first}`;
      problems.push({ place: keyPlace, message, hint: 'remove one of them' });
    } else firstLines.set(key, line);

    const resolved = isAlias(valueNode) ? valueNode.resolve(document) : valueNode;
    const value = isScalar(resolved)
      ? (resolved as Scalar).value
      : isMap(resolved)
        ? {}
        : resolved
          ? []
          : null;
    entries.push({ key, value, line, keyPlace, valuePlace: place(offsetOf(valueNode ?? keyNode)) });
  }
  return { entries, problems };
}

/** Where a node starts; nodes of a parsed document always have a range. */
function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
