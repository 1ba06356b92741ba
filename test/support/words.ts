type Word = readonly [phrase: RegExp, instead: string];

/** Phrases that no text uses, each with the field's term for it. Matched without regard to case and line breaks. */
const WORDS: readonly Word[] = [
  [/\b(?:un)?mend(?:s|ed|ing)?\b/, 'hint, fix'],
  [/\bin work\b/, 'in flight'],
  [/\b(?:end|restart|stop|exit)(?:s|ed|ing|ped|ping)?(?: \w+)? in order\b(?! to\b)/, 'gracefully'],
  [/\b(?:bring|brings|brought) (?:\w+ )?(?:nothing|little|memory|no memory)\b/, 'free'],
  [/\b(?:is|are|was|were|be|being|to be) told\b/, 'is reported'],
  [/\b(?:tells?|telling) (?:events?|it|once)\b/, 'report, post'],
  [/\b(?:come|comes|came|become|became) of (?:it|them)\b/, 'result'],
  [/\bnobody but who\b|\bwho(?:ever)? asks?\b/, 'only clients of …'],
  [/\b(?:ways?|gets?|got) in(?:to)? by\b|\b(?:last|a|no|the) way in\b/, 'connection'],
  [/\b(?:stood|stands?|standing) still\b/, 'paused'],
  [/\b(?:cannot be|not) drop(?:ped|pable)\b|\bcannot drop\b/, 'unreclaimable'],
  [/\b(?:quick|thorough) way\b/, 'fast GC, full GC'],
  [/\bleft alone\b/, 'left running, unchanged'],
  [/\bcollected but not returned\b/, 'not returned'],
  [/\bnothing to free\b/, 'nothing freed'],
  [/\bcall(?:s|ed|ing)? off\b/, 'cancel'],
  [/\bpowers\b|\btell events\b|\bbe probed\b|\btak(?:e|ing) requests to act\b/, 'checks, by name'],
  [/\b(?:bury|buried|knocks?|teeth)\b/, 'the term of the field'],
  [/\bgiv(?:e|es|en|ing) (?:\w+ ){0,3}back\b|\bgave (?:\w+ ){0,3}back\b/, 'return'],
  [/\bturn(?:s|ed|ing)? away\b/, 'refuse, shed'],
  [/\bwork is taken\b|\btak(?:e|es|ing) (?:no )?new work\b|\bcomes one by one\b/, 'admit'],
  [/\b(?:not |is |was )let in\b/, 'admit'],
  [/\b(?:use|usage|memory) rests\b/, 'usage is flat'],
  [/\bhold(?:s|ing)? on to\b/, 'hold'],
  [/\bnothing is left of level\b|\bnothing in particular\b|\bworth a try\b|\bin vain\b/, 'say it plainly'],
  [/\bleave \S+ out\b/, 'remove'],
  [/\bcannot be seen\b/, 'is not visible'],
  [/\bpass(?:es|ed|ing)? (?:\w+ ){1,2}on to\b|\bpassed on\b/, 'forward'],
  [/\b(?:is|are|be|not) started (?:again|anew)\b|\bmade anew\b/, 'restart, rebuild'],
  [/\bis given up\b/, 'is dropped, is aborted'],
  [/\blook(?:s|ed)? whether\b/, 'check that'],
  [/\bwhom to trust\b/, 'CA'],
  [/\bmemory groups?\b/, 'cgroup'],
  [/\bun-readies\b/, 'makes un-ready'],
  [/\bnothing (?:has been )?heard\b|\blast heard\b/, 'no data, last data'],
  [/\blittle by little\b/, 'gradually'],
  [/\bcollects? (?:it )?hard\b/, 'collects aggressively'],
  [/\bgains? nothing\b|\bmeans nothing\b/, 'has no effect'],
];

/** Phrases that nothing prints: documents and comments have more room. */
const PRINTED: readonly Word[] = [
  [/(?<!\bthere )\bis no (?!longer\b|more\b)\w+/, 'is not a …'],
  [/\bmay not be (?:seen|read|written)\b/, 'is not visible, readable, writable'],
  [/\b(?:nobody|somebody|whoever)\b/, 'name the subject'],
  [/\banew\b/, 'again'],
  [/\bit is ending\b/, 'is shutting down'],
  [/\b(?:containers|processes|pods) seen\b/, 'visible'],
];

/** A phrase in a text that has a term of the field. */
export interface Offence {
  line: number;
  phrase: string;
  instead: string;
}

/** The phrases of the list in a text. */
export function offencesIn(prose: string): Offence[] {
  return matches(WORDS, prose);
}

/** The same for what the code prints. */
export function offencesPrinted(text: string): Offence[] {
  return matches([...WORDS, ...PRINTED], text);
}

function matches(words: readonly Word[], prose: string): Offence[] {
  const flat = prose.replace(/\s/g, ' ');
  return words.flatMap(([phrase, instead]) =>
    [...flat.matchAll(new RegExp(phrase.source.replaceAll(' ', ' +'), 'gi'))].map(({ index, 0: found }) => ({
      line: prose.slice(0, index).split('\n').length,
      phrase: found.replace(/ +/g, ' '),
      instead,
    })),
  );
}

/** Markdown, YAML, code or a template without what stands in code marks: names and values that the code emits stay as they are. */
export function proseOf(text: string): string {
  return text.replace(/(?<!`)(`{1,2})(?!`)([^`\n]|(?<!`)`(?!`))*?\1(?!`)/g, (code) =>
    ' '.repeat(code.length),
  );
}

/** Comment marks at the beginning of lines would part a phrase that runs over them. */
export function withoutMarks(code: string): string {
  return code.replace(
    /^([ \t]*)(\/\/|\*|#)(?=\s)/gm,
    (_all, indent: string, mark: string) => `${indent}${' '.repeat(mark.length)}`,
  );
}
