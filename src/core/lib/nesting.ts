/** Deeper than any manifest; a parser of YAML that recurses holds some thousand. */
const MAX_DEPTH = 500;
const MANY_DASHES = new RegExp(`([-?] +){${MAX_DEPTH}}`);

/**
 * Whether a text of YAML or JSON would exhaust the stack of a parser that recurses: V8 then ends the process, when it happens
 * to be within a regular expression. Brackets are counted also where they are mere text, which never holds so many open ones.
 */
export function nestsTooDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if ((code === 0x5d || code === 0x7d) && depth > 0) depth--;
  }
  return MANY_DASHES.test(text);
}
