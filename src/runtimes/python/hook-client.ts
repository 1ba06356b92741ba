import { connect } from 'node:net';
import { messageOf } from '../../core/lib/errors.ts';
import { RuntimeClientError } from '../../core/ports/runtime-client.ts';

/** The answer to a profile is some 10 KB. */
const MAX_ANSWER_CHARS = 1_000_000;

/**
 * Asks the hook in the agent: one line of JSON there, one back.
 * @param socket abstract address, with its leading zero byte
 * @throws ReachError
 */
export function askHook(
  socket: string,
  command: 'facts' | 'gc' | 'profile',
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    let answer = '';
    const fail = (error: RuntimeClientError) => {
      clearTimeout(timer);
      connection.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () =>
        fail(
          new RuntimeClientError('timeout', `the hook timed out after ${timeoutMs} ms`, {
            passing: true,
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
        fail(new RuntimeClientError('refused', 'the answer of the hook is too large'));
    });
    connection.on('error', (cause) =>
      fail(
        new RuntimeClientError('refused', `the hook is unreachable: ${messageOf(cause)}`, {
          cause,
          passing: true,
        }),
      ),
    );
    connection.on('close', () =>
      fail(new RuntimeClientError('refused', 'the hook closed the connection', { passing: true })),
    );
  });
}
