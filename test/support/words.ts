/** Phrases that no public text uses, each with the field's term for it. Matched without regard to case and line breaks. */
const WORDS: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [/\b(?:un)?mend(?:s|ed|ing)?\b/, 'hint, fix'],
  [/\bin work\b/, 'in flight'],
  [/\b(?:end|restart|stop|exit)(?:s|ed|ing|ped|ping)?(?: \w+)? in order\b(?! to\b)/, 'gracefully'],
  [/\b(?:bring|brings|brought) nothing\b/, 'frees nothing'],
  [/\b(?:is|are|was|were|be|being|to be) told\b/, 'is reported'],
  [/\b(?:tells?|telling) (?:events?|it|once)\b/, 'report, post'],
  [/\b(?:come|comes|came|become|became) of (?:it|them)\b/, 'result'],
  [/\bnobody but who\b|\bwho asks\b/, 'only clients of …'],
  [/\b(?:ways?|gets?|got) in(?:to)? by\b|\b(?:last|a|no|the) way in\b/, 'connection'],
  [/\b(?:stood|stands?|standing) still\b/, 'paused'],
  [/\b(?:cannot be|not) drop(?:ped|pable)\b|\bcannot drop\b/, 'unreclaimable'],
  [/\b(?:quick|thorough) way\b/, 'fast GC, full GC'],
  [/\bleft alone\b/, 'left running'],
  [/\bcollected but not returned\b/, 'not returned'],
  [/\bnothing to free\b/, 'nothing freed'],
  [/\bcall(?:s|ed|ing)? off\b/, 'cancel'],
  [/\bpowers\b|\btell events\b|\bbe probed\b|\btake requests to act\b/, 'checks, by name'],
  [/\b(?:bury|buried|knocks?|teeth)\b/, 'the term of the field'],
];

/** A phrase in a text that has a term of the field. */
export interface Offence {
  line: number;
  phrase: string;
  instead: string;
}

/** The phrases of the list in a text. */
export function offencesIn(prose: string): Offence[] {
  const flat = prose.replace(/\s/g, ' ');
  return WORDS.flatMap(([phrase, instead]) =>
    [...flat.matchAll(new RegExp(phrase, 'gi'))].map(({ index, 0: found }) => ({
      line: prose.slice(0, index).split('\n').length,
      phrase: found,
      instead,
    })),
  );
}

/** Markdown, YAML or a template without what stands in code marks: names and values that the code emits stay as they are. */
export function proseOf(text: string): string {
  return text.replace(/(?<!`)(`{1,2})(?!`)([^`\n]|(?<!`)`(?!`))*?\1(?!`)/g, (code) =>
    ' '.repeat(code.length),
  );
}
