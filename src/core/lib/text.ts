/** Control, direction and other unseen characters, half characters, and separators that end a line for some programs. */
const UNSEEN = '[\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}\\p{Zl}\\p{Zp}]';
/** Made when it is first needed: its tables cost 0.3 MiB and 2 ms, also in processes that only load the hook. */
let unseen: RegExp | undefined;

/** Text chosen by somebody else, made fit for a log line, a terminal and a note: nothing unseen, at most `length` characters. */
export function clean(text: string, length = 64): string {
  unseen ??= new RegExp(UNSEEN, 'gu');
  // cut first: what a hostile process says may be megabytes
  const plain = text.slice(0, 2 * length).replace(unseen, ' ');
  return plain.length <= length && text.length <= 2 * length ? plain : `${plain.slice(0, length - 1)}…`;
}
