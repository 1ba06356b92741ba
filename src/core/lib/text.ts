/** Control, direction and other unseen characters, half characters, and separators that end a line for some programs. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text chosen by somebody else, made fit for a log line, a terminal and a note: nothing unseen, at most `length` characters. */
export function clean(text: string, length = 64): string {
  // cut first: what a hostile process says may be megabytes
  const plain = text.slice(0, 2 * length).replace(UNSEEN, ' ');
  return plain.length <= length && text.length <= 2 * length ? plain : `${plain.slice(0, length - 1)}…`;
}
