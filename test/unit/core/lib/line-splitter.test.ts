import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../../src/core/lib/line-splitter.ts';

describe('LineSplitter', () => {
  it('gives the same lines however they arrive', () => {
    const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n') }));
    fc.assert(
      fc.property(pieces, (texts) => {
        const splitter = new LineSplitter(1000);
        const whole = texts.join('');
        expect(texts.flatMap((text) => splitter.push(text))).toEqual(
          whole.split('\n').slice(0, -1).filter(Boolean),
        );
      }),
    );
  });

  it('holds no more than one line of bounded length', () => {
    const splitter = new LineSplitter(4);
    expect(splitter.push('abcd\nab')).toEqual(['abcd']);
    expect(() => splitter.push('cde')).toThrow(expect.objectContaining({ code: 'malformed' }));
  });
});
