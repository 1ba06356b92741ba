import { describe, expect, it } from 'vitest';
import { strayArguments } from '../../../src/config/flags.ts';

const known = new Map([
  ['--hold', true],
  ['--shed-ratio', true],
  ['--json', false],
]);
const stray = (line: string, wraps = false) =>
  strayArguments(line.split(' ').filter(Boolean), known, wraps).stray.map(
    ({ place, hint }) => `${place}: ${hint}`,
  );

describe('stray arguments', () => {
  it('are none where all is known', () => {
    expect(stray('--hold 5s --json --shed-ratio=0.8')).toEqual([]);
    expect(stray('--hold 5s -- node --inspect a.js', true)).toEqual([]);
    expect(stray('--hold 5s node --inspect a.js', true)).toEqual([]);
    expect(stray('--hold --odd')).toEqual([]);
  });

  it('are told all at once, with the name that was meant', () => {
    expect(stray('--holt 5s --nonsense --shed-ratoi=0.8 --json')).toEqual([
      '--holt: did you mean --hold?',
      '--nonsense: remove it',
      '--shed-ratoi: did you mean --shed-ratio?',
    ]);
  });

  it('may be words', () => {
    expect(stray('agent.js --hold 5s more')).toEqual(['agent.js: remove it', 'more: remove it']);
  });

  it('are looked for before the wrapped command only', () => {
    expect(stray('--foo bar -- node --foo', true)).toEqual(['--foo: remove it']);
  });

  it('do not hide values behind them', () => {
    const { values } = strayArguments(
      ['--foo', 'bar', '--hold', '5', '--shed-ratio=2', '--', 'true'],
      known,
      true,
    );
    expect(values).toEqual({ '--hold': '5', '--shed-ratio': '2' });
  });
});
