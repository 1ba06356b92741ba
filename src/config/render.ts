import { flagOf } from './option.ts';
import { type Config, OPTION_LIST, OPTIONS, type OptionKey } from './options.ts';

/** A value in the form that a file holds; `undefined` when it is not set. */
export function valueText(key: OptionKey, config: Config): string | number | undefined {
  const value = config[key];
  return value === undefined ? undefined : OPTIONS[key].type.render(value as never);
}

/** As {@link valueText}, with what may be a secret hidden: for terminals and logs. */
export function maskedText(key: OptionKey, config: Config): string | number | undefined {
  const { mask } = OPTIONS[key].type;
  const value = config[key];
  return mask === undefined || value === undefined ? valueText(key, config) : mask(value as never);
}

/**
 * A configuration as a YAML file. With `valueText`, parsing it gives the same configuration again; what is not set
 * stands as a comment.
 * @param note a comment for the end of each line, such as the origin of the value
 */
export function renderYaml(
  config: Config,
  text: typeof valueText = valueText,
  note?: (key: OptionKey) => string,
): string {
  const lines = OPTION_LIST.map(([key]) => {
    const value = text(key, config);
    // A JSON string is also a YAML string, whatever it holds.
    return { key, line: value === undefined ? `# ${key}:` : `${key}: ${JSON.stringify(value)}` };
  });
  if (note === undefined) return lines.map(({ line }) => `${line}\n`).join('');
  return lines.map(({ key, line }) => `${line.padEnd(32)}  # ${note(key).replace(/\s+/g, ' ')}\n`).join('');
}

/** The default in the words of the table: a value in code marks, or what holds when nothing is set. */
function defaultText(key: OptionKey): string {
  const { default: value, unset, type } = OPTIONS[key];
  return value === undefined ? (unset ?? 'none') : `\`${type.render(value as never)}\``;
}

/** A table of options in Markdown: all of them, or those given. */
export function renderOptionTable(keys: readonly OptionKey[] = OPTION_LIST.map(([key]) => key)): string {
  const rows = keys.map((key) => {
    const { description, type } = OPTIONS[key];
    const meaning = type.range === undefined ? description : `${description} (${type.range})`;
    return [`\`${flagOf(key).slice(2)}\``, defaultText(key), meaning];
  });
  return [['option', 'default', 'meaning'], ['---', '---', '---'], ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('');
}

/** The description of an option for `--help`, with its range and default. */
export function helpText(key: OptionKey): string {
  const { description, type } = OPTIONS[key];
  const range = type.range === undefined ? '' : `${type.range}; `;
  return `${description} (${range}default: ${defaultText(key)})`.replaceAll('`', '');
}
