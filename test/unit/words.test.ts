import { describe, expect, it } from 'vitest';
import { documents, readDocument } from '../support/readme.ts';
import { offencesIn, proseOf } from '../support/words.ts';

/** What speaks to users. A change log tells the past, an ORIGIN.md the source of a fixture. */
const TEXTS = [
  ...documents().filter((path) => !/(?:^|\/)(?:CHANGELOG|ORIGIN)\.md$/.test(path)),
  'helm/spillway/templates/NOTES.txt',
  'helm/spillway/values.yaml',
];

describe('the words of', () => {
  it.each(TEXTS)('%s are those of the field', (path) => {
    expect(offencesIn(proseOf(readDocument(path)))).toEqual([]);
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
});
