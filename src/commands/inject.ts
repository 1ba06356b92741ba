import { parseManifest } from '../adapters/yaml/manifest.ts';
import { readTextFile, readTextStream } from '../config/file.ts';
import { ANNOTATION_OPTIONS, readInjectConfig } from '../config/inject-config.ts';
import { configError, type Problem } from '../config/problems.ts';
import type { InjectConfig } from '../core/inject/config.ts';
import { inject } from '../core/inject/inject.ts';
import { replacedAt } from '../core/inject/patch.ts';
import type { Pod } from '../core/inject/pod.ts';
import { uninject } from '../core/inject/uninject.ts';
import { podsOf, skippedIn } from '../core/inject/workload.ts';
import { SpillwayError } from '../core/lib/errors.ts';

/** Largest manifest that is read, in bytes; charts with their custom resource definitions come to some MiB. */
const MAX_MANIFEST_BYTES = 64 * 2 ** 20;

/** What `spillway inject` was asked for. */
export interface InjectCommandOptions {
  /** Paths of manifests; `-` is standard input. */
  files: readonly string[];
  /** Path of an `InjectConfig`. */
  sidecar?: string | undefined;
  /** Beats the one of the file, as the following do. */
  image?: string | undefined;
  classic?: boolean | undefined;
  /** Options of the guardian by key. */
  options: Readonly<Record<string, string>>;
  /** Takes the sidecar out instead. */
  uninject?: boolean | undefined;
}

export interface InjectCommandIo {
  stdin: AsyncIterable<Uint8Array>;
  write(text: string): void;
  /** A line for the user, without its end. */
  warn(line: string): void;
}

/**
 * `spillway inject`: writes the manifests with the sidecar in every workload but those that decline. What cannot be guarded
 * is written as it is, with a warning. Writes nothing when one of the files cannot be read.
 * @throws SpillwayError `config`, which lists all that is wrong with the sidecar's configuration; `manifest`, with the files
 */
export async function injectCommand(
  command: InjectCommandOptions,
  version: string,
  io: InjectCommandIo,
): Promise<void> {
  const read = await readInjectConfig(version, command.sidecar, command.options);
  if (!read.ok) throw configError(read.problems);
  const config: InjectConfig = {
    ...read.config,
    ...(command.image === undefined ? {} : { image: command.image }),
    ...(command.classic ? { native: false } : {}),
  };
  const change = command.uninject
    ? (pod: Pod) => ({ pod: uninject(pod), warnings: [] })
    : (pod: Pod) => inject(pod, config, ANNOTATION_OPTIONS);

  const problems: string[] = [];
  const outputs: string[] = [];
  const notes: string[] = [];
  for (const file of command.files) {
    const name = file === '-' ? 'standard input' : file;
    const { text, problem } =
      file === '-'
        ? await readTextStream(io.stdin, name, MAX_MANIFEST_BYTES)
        : await readTextFile(file, MAX_MANIFEST_BYTES);
    if (problem) problems.push(problemLine(problem));
    else {
      const result = changeText(text, name, change);
      problems.push(...result.problems);
      notes.push(...result.notes);
      outputs.push(result.text);
    }
  }
  for (const note of notes) io.warn(note);
  if (problems.length === 1) throw new SpillwayError('manifest', `no manifest is written: ${problems[0]}`);
  if (problems.length > 1)
    throw new SpillwayError(
      'manifest',
      `no manifest is written, for ${problems.length} problems:\n  ${problems.join('\n  ')}`,
    );
  io.write(joined(outputs));
}

type Change = (pod: Pod) => { pod?: Pod; warnings: string[] };

function changeText(
  text: string,
  name: string,
  change: Change,
): { text: string; problems: string[]; notes: string[] } {
  const manifest = parseManifest(text);
  if ('problems' in manifest) {
    const problems = manifest.problems.map(
      ({ line, column, message }) => `${name}:${line}:${column}: ${message}`,
    );
    return { text, problems, notes: [] };
  }
  const changed = new Map<number, unknown>();
  const notes: string[] = [];
  const { documents } = manifest;
  for (const [i, { value, lineOf }] of documents.entries()) {
    const where = documents.length > 1 ? ` (document ${i + 1})` : '';
    let after = value;
    for (const { pod, path, name: workload } of podsOf(value)) {
      const result = change(pod);
      for (const warning of result.warnings)
        notes.push(`${name}:${lineOf(path)}: ${workload}${where}: ${warning}`);
      if (result.pod !== undefined && result.pod !== pod) after = replacedAt(after, path, result.pod);
    }
    if (after !== value) changed.set(i, after);
    for (const { path, name: workload } of skippedIn(value))
      notes.push(
        `${name}:${lineOf(path)}: ${workload}${where}: unchanged: it has a pod template, but spillway does not support this kind`,
      );
  }
  const written = manifest.write(changed);
  for (const i of written.rewritten)
    notes.push(
      `${name}:${documents[i]?.lineOf([]) ?? 1}: document ${i + 1} loses its comments: it has aliases or merge keys where it changes`,
    );
  return { text: written.text, problems: [], notes };
}

/** Several files as one stream of documents. */
function joined(texts: readonly string[]): string {
  return texts.reduce((all, text) => {
    if (all === '' || text === '') return all + text;
    const border = /^(\ufeff|#.*\r?\n|\s)*---(\s|$)/.test(text) ? '' : '---\n';
    return `${all}${all.endsWith('\n') ? '' : '\n'}${border}${text.replace(/^\ufeff/, '')}`;
  }, '');
}

function problemLine({ place, message, hint }: Problem): string {
  return `${place}: ${message}; ${hint}`;
}
