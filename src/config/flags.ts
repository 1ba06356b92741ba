import { hintUnknown, type Problem } from './problems.ts';

/**
 * What a command line has without effect: unknown flags, and words that are no flag's value. All of it at
 * once, to be reported together with what is wrong with the values, which are found here also behind what is unknown.
 *
 * @param takesValue the command's flags; whether the next word is theirs
 * @param wraps the command ends with a command line of its own, behind `--` or from the first word on
 */
export function strayArguments(
  args: readonly string[],
  takesValue: ReadonlyMap<string, boolean>,
  wraps: boolean,
): { stray: Problem[]; values: Record<string, string> } {
  const stray: Problem[] = [];
  const values: Record<string, string> = {};
  const border = args.indexOf('--');
  const own = wraps && border >= 0 ? args.slice(0, border) : args;
  let mayBeValue = false;
  for (let i = 0; i < own.length; i++) {
    const word = own[i] ?? '';
    const [flag = ''] = word.split('=', 1);
    if (!word.startsWith('-')) {
      if (wraps && border < 0) break;
      if (!mayBeValue) stray.push({ place: word, message: 'has no effect here', hint: 'remove it' });
      mayBeValue = false;
    } else if (takesValue.has(flag)) {
      mayBeValue = false;
      if (takesValue.get(flag)) values[flag] = flag === word ? (own[++i] ?? '') : word.slice(flag.length + 1);
    } else {
      mayBeValue = flag === word; // who knows: the next word may belong to it
      stray.push({
        place: flag,
        message: 'is not a known flag',
        hint: hintUnknown(flag, [...takesValue.keys()]),
      });
    }
  }
  return { stray, values };
}
