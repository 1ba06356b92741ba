import { messageOf } from '../core/lib/errors.ts';
import { nestsTooDeep } from '../core/lib/nesting.ts';
import { readTextFile } from './file.ts';
import type { Problem } from './problems.ts';

/** What a YAML file holds. */
export interface YamlFile {
  /** `undefined` where it says nothing certain. */
  value: unknown;
  problems: Problem[];
  /** Where something in it stands: `sidecar.yaml:3:12`. */
  place(path: readonly (string | number)[]): string;
}

/** Reads a file of one YAML or JSON document. Never throws: what is wrong is in `problems`. */
export async function readYamlFile(file: string): Promise<YamlFile> {
  const failed = (problems: Problem[]): YamlFile => ({ value: undefined, problems, place: () => file });
  const { text, problem } = await readTextFile(file);
  if (problem) return failed([problem]);
  try {
    if (nestsTooDeep(text)) throw new Error('the nesting is too deep');
    // by `default`: a bundled CommonJS package has no other export
    const { isNode, LineCounter, parseDocument } = (await import('yaml')).default;
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { lineCounter, prettyErrors: false });
    const at = (offset: number) => {
      const { line, col } = lineCounter.linePos(offset);
      return `${file}:${line}:${col}`;
    };
    const syntax = [...document.errors, ...document.warnings];
    if (syntax.length > 0)
      return failed(
        syntax.map(({ message, pos }) => ({
          place: at(pos[0]),
          message: message.replace(/\s+/g, ' '),
          hint: 'correct the YAML',
        })),
      );
    return {
      value: document.toJS() ?? undefined,
      problems: [],
      place(path) {
        // the nearest that stands in the file: what is missing has no place of its own
        for (let end = path.length; end > 0; end--) {
          const node = document.getIn(path.slice(0, end), true);
          if (isNode(node) && node.range) return at(node.range[0]);
        }
        return file;
      },
    };
  } catch (thrown) {
    return failed([
      { place: file, message: `the file cannot be parsed: ${messageOf(thrown)}`, hint: 'correct the YAML' },
    ]);
  }
}
