import { setTimeout as sleep } from 'node:timers/promises';

const WORDS =
  'account agent archive batch branch buffer cache call client commit config context cursor entry error field file handle header index invoice job key ledger limit list lock log memory message model node order page parser path payload plan pool prompt query queue reader record region report request result retry row schema scope search server session shard socket stage state store stream table task tenant thread ticket token tool trace turn update user value vector window worker writer'.split(
    ' ',
  );

const PAGE_CHARS = 50_000;
const PAGES = 20;
/** How many characters a page of the endless log has, and how long the next one takes: some 35 MB/s. */
const LOG_PAGE_CHARS = 1_000_000;
const LOG_PAGE_MS = 20;

const pages = Array.from({ length: PAGES }, () => page(PAGE_CHARS));

/** What a tool call of an agent brings back: text with line numbers, paths and words, in one string. */
export function search(chars: number): string {
  return Array.from({ length: Math.ceil(chars / PAGE_CHARS) }, () => pages[number(PAGES)]).join('');
}

/** A log that is followed and never ends. */
export async function* followLog(): AsyncGenerator<string> {
  for (;;) {
    yield search(LOG_PAGE_CHARS);
    await sleep(LOG_PAGE_MS);
  }
}

function page(chars: number): string {
  const lines: string[] = [];
  for (let length = 0, line = 1; length < chars; line += 1 + number(40)) {
    const text = `src/${word()}/${word()}-${word()}.ts:${line}: ${word()} ${word()} ${word()} = ${word()}(${word()}, ${number(1e6)}) // ${word()} ${word()} ${word()}`;
    lines.push(text);
    length += text.length + 1;
  }
  return lines.join('\n').slice(0, chars);
}

function number(below: number): number {
  return Math.floor(Math.random() * below);
}

function word(): string {
  return WORDS[number(WORDS.length)] ?? '';
}
