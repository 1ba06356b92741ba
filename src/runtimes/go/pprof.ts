import { type IncomingMessage, request } from 'node:http';
import { formatAddress } from '../../core/lib/address.ts';
import { errnoOf, SpillwayError } from '../../core/lib/errors.ts';
import type { ListeningSocket } from '../../core/proc/socket-table.ts';

/** One request to the agent's pprof endpoint. */
export interface PprofRequest {
  socket: ListeningSocket;
  /** With its query. */
  path: string;
  /** For the whole answer, in milliseconds. */
  timeoutMs: number;
  /** After which the request is aborted. */
  maxBytes: number;
  onChunk(chunk: Buffer): void;
}

/** What came: the status, or what it was instead of an answer in HTTP. */
export type PprofAnswer = { status: number; type: string } | { notHttp: string };

/**
 * Asks the agent. Redirects are not followed: the answer would be another process'.
 * @throws SpillwayError `timeout`, or `refused` when the answer is too large or the connection is lost
 */
export function getPprof({ socket, path, timeoutMs, maxBytes, onChunk }: PprofRequest): Promise<PprofAnswer> {
  return new Promise((resolve, reject) => {
    const host = hostOf(socket);
    const asked = request({
      host,
      port: socket.port,
      path,
      agent: false,
      headers: { host: `localhost:${socket.port}`, connection: 'close', 'user-agent': 'spillway' },
    });
    const where = `${formatAddress({ host, port: socket.port })}${path}`;
    const fail = (error: Error) => {
      clearTimeout(timer);
      asked.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () =>
        fail(
          new SpillwayError('timeout', `${where} did not answer within ${timeoutMs} ms`, {
            retryable: true,
          }),
        ),
      timeoutMs,
    );
    const onError = (error: Error) => {
      const errno = errnoOf(error) ?? '';
      clearTimeout(timer);
      if (errno.startsWith('HPE_') || errno === 'ECONNRESET') resolve({ notHttp: errno });
      else
        fail(
          new SpillwayError('refused', `${where}: ${errno || error.message}`, {
            retryable: true,
            cause: error,
          }),
        );
    };
    asked.on('error', onError);
    asked.on('response', (answer: IncomingMessage) => {
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes)
          fail(new SpillwayError('refused', `${where} answers more than ${maxBytes} bytes`));
        else onChunk(chunk);
      });
      answer.on('error', onError);
      answer.on('end', () => {
        clearTimeout(timer);
        resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? '' });
      });
    });
    asked.end();
  });
}

/** A socket for all addresses is reached by loopback; Go's `:6060` is one of IPv6 that takes both. */
function hostOf({ address }: ListeningSocket): string {
  return address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
}
