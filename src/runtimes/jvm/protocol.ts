import { createConnection } from 'node:net';
import { errnoOf, SpillwayError } from '../../core/lib/errors.ts';

/** What is kept of an answer: some 3,000 classes of a histogram. The rest is read and dropped, so that the JVM can end. */
const MAX_BYTES = 256 * 1024;

/** The socket is there and nobody listens: a JVM that ended, or whose `/tmp` was tidied. */
const NOT_LISTENING: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED']);

/** Whether a command failed because nobody listens: a second try is worth it. */
export function nobodyListens(error: unknown): boolean {
  return error instanceof SpillwayError && error.retryable && NOT_LISTENING.has(errnoOf(error.cause) ?? '');
}

/**
 * One diagnostic command to a HotSpot JVM, as `jcmd PID COMMAND` does it: the version `1`, the operation `jcmd` and three
 * arguments, each ended by a zero byte; the answer is a status line (`0` is good) and text up to the end of the stream.
 * One command per connection.
 * @throws SpillwayError `timeout`; `refused` when the JVM declines, or nobody listens
 */
export function jcmd(socket: string, command: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = createConnection({ path: socket });
    const kept: Buffer[] = [];
    let keptBytes = 0;
    const timer = setTimeout(() => {
      connection.destroy();
      reject(
        new SpillwayError('timeout', `the JVM did not answer ${command} within ${timeoutMs} ms`, {
          retryable: true,
        }),
      );
    }, timeoutMs);
    connection.on('connect', () => connection.write(`1\0jcmd\0${command}\0\0\0`));
    connection.on('data', (chunk) => {
      if (keptBytes < MAX_BYTES) kept.push(chunk);
      keptBytes += chunk.length;
    });
    connection.on('error', (error) => {
      const errno = errnoOf(error);
      const gone = NOT_LISTENING.has(errno ?? '');
      const what = gone
        ? 'the JVM does not listen on its socket'
        : `the JVM's socket: ${errno ?? error.message}`;
      reject(new SpillwayError('refused', what, { retryable: gone, cause: error }));
    });
    connection.on('close', () => {
      clearTimeout(timer);
      const [, status, output] = /^(-?\d+)\n([\s\S]*)$/.exec(Buffer.concat(kept).toString('utf8')) ?? [];
      if (status === '0' && output !== undefined) resolve(output);
      else if (status === undefined)
        reject(new SpillwayError('refused', `the JVM closed the connection without answering ${command}`));
      else
        reject(new SpillwayError('refused', `the JVM declined ${command}: ${output?.trim().split('\n')[0]}`));
    });
  });
}
