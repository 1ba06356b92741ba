import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const fileOf = (module: string) => `__snapshots__/${module}.txt`;

/**
 * The sentences of one module, a line each, in `__snapshots__` beside the test: the only place where tests hold them whole.
 * Everything else asserts codes.
 */
export function golden(
  module: string,
  sentences: () => readonly string[] | Promise<readonly string[]>,
): void {
  it(`the sentences of ${module}`, async () => {
    await expect(`${(await sentences()).join('\n')}\n`).toMatchFileSnapshot(fileOf(module));
  });
}

/** What differs from run to run, by the word that stands for it in the golden file. */
type Varying = Record<string, string | number | RegExp>;

/**
 * The same for sentences that several tests of one file meet, as each takes a process of its own: the golden file has a
 * line for each name. Lines of tests that are skipped stay as they are.
 */
export function goldenLines(module: string) {
  return (name: string, sentence: string | undefined, varying: Varying = {}): void => {
    const { testPath = '', snapshotState } = expect.getState();
    const path = join(dirname(testPath), fileOf(module));
    const lines = linesIn(path);
    const text = steady(`${sentence}`, varying).trimEnd().replaceAll('\n', '\n  ');
    // vitest's own snapshots of one file would be written side by side, and the first might stay
    const update = snapshotState['_updateSnapshot'];
    if (update === 'none' || (update === 'new' && lines.has(name))) {
      expect(text, name).toBe(lines.get(name));
      return;
    }
    lines.set(name, text);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, [...lines].map(([each, line]) => `${each}: ${line}\n`).join(''));
  };
}

function steady(sentence: string, varying: Varying): string {
  let text = sentence;
  for (const [word, value] of Object.entries(varying))
    text = text.replaceAll(typeof value === 'number' ? new RegExp(`\\b${value}\\b`, 'g') : value, word);
  return text;
}

/** By name; what a sentence has after its first line is indented. */
function linesIn(path: string): Map<string, string> {
  const text = existsSync(path) ? readFileSync(path, 'utf8').trimEnd() : '';
  const lines = text === '' ? [] : text.split(/\n(?! {2})/);
  return new Map(
    lines.map((line) => {
      const end = line.indexOf(': ');
      return [line.slice(0, end), line.slice(end + 2)];
    }),
  );
}
