import { expect, it } from 'vitest';
import { clean } from '../../../../src/core/lib/text.ts';

it('leaves plain text of any script as it is', () => {
  expect(clean('añadirTurno → 回答 🧠')).toBe('añadirTurno → 回答 🧠');
});

it.each([
  ['escape sequence', '\u001b[2J\u001b]0;owned\u0007'],
  ['one character that begins one', '\u009b31m'],
  ['end of a line', 'name\nlevel=info fine'],
  ['end of a line for some programs', 'a\u2028b\u2029c'],
  ['text written the other way round', 'a\u202egpj.exe'],
  ['nothing to be seen', 'ad\u200bmin'],
  ['half a character', 'a\ud83d'],
])('leaves nothing of: %s', (_, text) => {
  expect(clean(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
});

it('cuts what is longer, and says so', () => {
  expect(clean('x'.repeat(65))).toBe(`${'x'.repeat(63)}…`);
  expect(clean('x'.repeat(64))).toBe('x'.repeat(64));
  expect(clean('x'.repeat(10_000_000), 10)).toBe(`${'x'.repeat(9)}…`);
});
