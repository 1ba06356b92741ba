import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_MESSAGE_LENGTH, SseParser } from '../../../src/agent/sse.ts';
import { SpillwayError } from '../../../src/core/lib/errors.ts';

const STREAM =
  'retry: 1000\n\n: a comment\n\nevent: status\ndata: {"level":"ok"}\n\nid: 7\nevent:reading\r\ndata:a\r\ndata: b\r\n\r\nevent: lonely\n\ndata\n\ndata: rest';
const MESSAGES = [
  { event: 'status', data: '{"level":"ok"}' },
  { event: 'reading', data: 'a\nb' },
  { event: 'message', data: '' },
];

describe('a stream of server-sent events', () => {
  it('gives the same messages however it is cut', () => {
    expect(new SseParser().push(STREAM)).toEqual(MESSAGES);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(STREAM.length)), (cuts) => {
        const parser = new SseParser();
        const at = [0, ...cuts.sort((a, b) => a - b), STREAM.length];
        const pieces = at.slice(1).map((end, i) => STREAM.slice(at[i], end));
        expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(MESSAGES);
      }),
    );
  });

  it('is refused when a message does not end, on one line or on many', () => {
    for (const piece of ['x'.repeat(1000), `data: ${'x'.repeat(1000)}\n`]) {
      const parser = new SseParser();
      const flood = () => {
        for (let length = 0; length <= 2 * MAX_MESSAGE_LENGTH; length += piece.length) parser.push(piece);
      };
      expect(flood).toThrow(SpillwayError);
    }
  });

  it('may go on for ever in messages of ordinary length', () => {
    const parser = new SseParser();
    for (let i = 0; i < 1000; i++) expect(parser.push(`data: ${'x'.repeat(1000)}\n\n`)).toHaveLength(1);
  });
});
