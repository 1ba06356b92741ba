import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errnoOf } from '../core/lib/errors.ts';
import { fail, send } from './http-answer.ts';

/** A page that was just read serves concurrent requests; then it is let go, since hardly anybody asks. */
const KEEP_MS = 1000;
const HEADERS = {
  'Cache-Control': 'no-cache',
  Vary: 'Accept-Encoding',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** As the build writes it: the content's tag, and the policy that lets its own script and style run and nothing else. */
interface PageHeaders {
  ETag: string;
  'Content-Security-Policy': string;
}

/**
 * Answers with the guardian's page: read from disk when asked for, compressed by the build, never kept.
 * @param file the page; beside it lie `.gz`, the same compressed, and `.json`, its {@link PageHeaders}
 */
export function servePage(
  file: string,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const headersOf = shortly(async () => JSON.parse(await readFile(`${file}.json`, 'utf8')) as PageHeaders);
  const plain = shortly(() => readFile(file));
  const compressed = shortly(() => readFile(`${file}.gz`));

  return async ({ headers: asked }, response) => {
    const gzip = takesGzip(asked['accept-encoding']);
    try {
      const headers = { ...HEADERS, ...(await headersOf()) };
      if (knows(asked['if-none-match'], headers.ETag)) return void response.writeHead(304, headers).end();
      const body = await (gzip ? compressed() : plain());
      const encoding = gzip ? { 'Content-Encoding': 'gzip' } : undefined;
      send(response, 200, { type: 'text/html; charset=utf-8', parts: [body] }, { ...headers, ...encoding });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      fail(response, 404, 'this build of the guardian has no page');
    }
  };
}

/** Reads once for all requests within {@link KEEP_MS}: a flood of requests does not become a flood of reads. */
function shortly<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    if (!reading) {
      reading = read();
      setTimeout(() => {
        reading = undefined;
      }, KEEP_MS).unref();
    }
    return reading;
  };
}

function takesGzip(accepted: string | string[] | undefined): boolean {
  const codings = String(accepted ?? '')
    .toLowerCase()
    .split(',');
  return codings.some((coding) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/.test(coding));
}

/** Whether a client has the content already; tags are compared weakly, as it does not matter how the bytes were packed. */
function knows(tags: string | undefined, etag: string): boolean {
  const bare = (tag: string) => tag.trim().replace(/^W\//, '');
  return tags?.split(',').some((tag) => tag.trim() === '*' || bare(tag) === bare(etag)) ?? false;
}
