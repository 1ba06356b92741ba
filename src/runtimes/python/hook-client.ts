import { connect } from 'node:net';
import { messageOf, SpillwayError } from '../../core/lib/errors.ts';

/** The answer to a profile is some 10 KB. */
const MAX_ANSWER_CHARS = 1_000_000;

/**
 * Asks the hook in the agent: one line of JSON there, one back.
 * @param socket abstract address, with its leading zero byte
 * @throws SpillwayError
 */
export function askHook(
  socket: string,
  command: 'facts' | 'gc' | 'profile',
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    let answer = '';
    const fail = (error: SpillwayError) => {
      clearTimeout(timer);
      connection.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () =>
        fail(
          new SpillwayError('timeout', `the hook timed out after ${timeoutMs} ms`, {
            retryable: true,
          }),
        ),
      timeoutMs,
    );
    connection.setEncoding('utf8');
    connection.on('connect', () => connection.write(`${JSON.stringify({ do: command })}\n`));
    connection.on('data', (text) => {
      answer += text;
      if (answer.endsWith('\n')) {
        clearTimeout(timer);
        connection.destroy();
        resolve(answer);
      } else if (answer.length > MAX_ANSWER_CHARS)
        fail(new SpillwayError('refused', 'the answer of the hook is too large'));
    });
    connection.on('error', (cause) =>
      fail(
        new SpillwayError('refused', `the hook is unreachable: ${messageOf(cause)}`, {
          cause,
          retryable: true,
        }),
      ),
    );
    connection.on('close', () =>
      fail(new SpillwayError('refused', 'the hook closed the connection', { retryable: true })),
    );
  });
}
