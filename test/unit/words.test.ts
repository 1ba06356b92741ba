import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OPTION_LIST } from '../../src/config/options.ts';
import { helpText } from '../../src/config/render.ts';
import { literalsOf } from '../support/literals.ts';
import { documents, ROOT, readDocument } from '../support/readme.ts';
import { offencesIn, offencesPrinted, proseOf, withoutMarks } from '../support/words.ts';

const filesIn = (folder: string, name: RegExp) =>
  readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path))
    .map((path) => `${folder}/${path}`)
    .sort();

/** What users read. A change log tells the past, an ORIGIN.md the source of a fixture. */
const TEXTS = [
  ...documents().filter((path) => !/(?:^|\/)(?:CHANGELOG|ORIGIN)\.md$/.test(path)),
  'helm/spillway/values.yaml',
  'helm/spillway/files/alerts.yaml',
  'helm/spillway/files/test.mjs',
  ...filesIn('helm/spillway/templates', /\.(?:yaml|tpl|txt)$/),
];
const SOURCES = filesIn('src', /\.ts$/);
/** Read whole: the hook is loaded by the agent, the page is shown. */
const OTHER_SOURCES = filesIn('src', /\.(?:py|html)$/);

describe('the words of', () => {
  it.each(TEXTS)('%s are those of the field', (path) => {
    expect(offencesIn(proseOf(withoutMarks(readDocument(path))))).toEqual([]);
  });

  it('the code are those of the field, in its comments and in what it prints', () => {
    for (const path of SOURCES) {
      const source = readDocument(path);
      expect.soft(offencesIn(proseOf(withoutMarks(source))), path).toEqual([]);
      const printed = literalsOf(source).flatMap((text) =>
        offencesPrinted(text).map((found) => ({ found, text })),
      );
      expect.soft(printed, path).toEqual([]);
    }
  });

  it.each(OTHER_SOURCES)('%s are those of the field', (path) => {
    expect(offencesPrinted(withoutMarks(readDocument(path)))).toEqual([]);
  });

  it('--help are those of the field', () => {
    for (const [key] of OPTION_LIST) expect.soft(offencesPrinted(helpText(key)), key).toEqual([]);
  });
});

describe('the texts of a source', () => {
  it('are its literals, with concatenations put together and without what it imports', () => {
    const source = [
      "import { a } from 'in work';",
      "export * from 'in work';",
      '// in work',
      "const text: string = 'one ' + 'two';",
      "console.log(`three #{a('four')} ` + `five #{text}`, /in work/);".replaceAll('#', '$'),
    ];
    expect(literalsOf(source.join('\n')).sort()).toEqual(['four', 'one two', 'three … five …']);
  });

  it('are held to the list, also across the border of two literals', () => {
    expect(
      literalsOf("throw Error('collecting brings ' + 'nothing');").flatMap(offencesPrinted),
    ).toMatchObject([{ phrase: 'brings nothing' }]);
    expect(offencesPrinted('there is no agent; it is no longer there')).toEqual([]);
    expect(offencesPrinted('this is no option')).toHaveLength(1);
  });
});

describe('the list of words', () => {
  it('finds a phrase across a line break, and says its line and the term', () => {
    expect(offencesIn('One line.\nIt stood\nstill.')).toEqual([
      { line: 2, phrase: 'stood still', instead: 'paused' },
    ]);
  });

  it('leaves emitted values in code marks, and other meanings', () => {
    expect(proseOf('a `left_running` b ``x `hint` y`` c')).not.toMatch(/left|hint/);
    expect(offencesIn(proseOf('`left_running`; in order to recommend, amend and end in turn'))).toEqual([]);
    expect(offencesIn('it was left alone')).toHaveLength(1);
  });

  it('reads code blocks: their comments are prose', () => {
    expect(offencesIn(proseOf('```sh\nrun # the mend\n```\n'))).toHaveLength(1);
  });

  it('reads comments over several lines', () => {
    expect(offencesIn(withoutMarks('/**\n * It stood\n * still.\n */'))).toMatchObject([
      { line: 2, phrase: 'stood still' },
    ]);
  });
});
