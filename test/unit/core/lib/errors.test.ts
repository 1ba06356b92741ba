import { expect, it } from 'vitest';
import { describeError, SpillwayError } from '../../../../src/core/lib/errors.ts';

it('takes over message and hint of what was thrown, and keeps it as the cause', () => {
  const thrown = new SpillwayError('refused', 'port 9229 is taken', { hint: 'free it', retryable: true });
  expect(SpillwayError.from(thrown)).toBe(thrown);
  expect(SpillwayError.from(thrown, 'refused')).toBe(thrown);
  expect(SpillwayError.from(thrown, 'unavailable')).toMatchObject({
    code: 'unavailable',
    message: 'port 9229 is taken',
    hint: 'free it',
    cause: thrown,
  });
  const bug = new TypeError('x is undefined');
  expect(SpillwayError.from(bug)).toMatchObject({ code: 'unexpected', hint: undefined, cause: bug });
  expect(describeError(thrown)).toBe('port 9229 is taken; free it');
  expect(describeError('nothing')).toBe('nothing');
});

it('may be tried again where the code or the thrower says so', () => {
  expect(new SpillwayError('busy', '').retryable).toBe(true);
  expect(new SpillwayError('sink', '').retryable).toBe(true);
  expect(new SpillwayError('sink', '', { retryable: false }).retryable).toBe(false);
  expect(new SpillwayError('timeout', '').retryable).toBe(false);
});

it('keeps what an agent may have written to one short line', () => {
  const { message } = new SpillwayError('refused', `it answers\n\u001b[31m${'x'.repeat(1000)}`);
  expect(message).toHaveLength(500);
  expect(message).not.toMatch(/\p{Cc}/u);
});
