import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';

const MAX_BYTES = 8192;

/**
 * The URL in a file, without the line break that editors add; links are followed, as Kubernetes mounts a Secret by links.
 * Messages never show what the file holds.
 * @throws SpillwayError `read`
 */
export async function readWebhookUrl(path: string): Promise<string> {
  const failed = (why: string, hint: string, cause?: unknown) =>
    new SpillwayError('read', `webhook-url-file: ${path}: ${why}`, { hint, cause });
  const bytes = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  try {
    // a FIFO would wait for ever
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      length = (await file.read(bytes, 0, bytes.length, 0)).bytesRead;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw failed(messageOf(cause), 'mount a file with the URL there, or correct the path', cause);
  }
  const text = bytes.toString('utf8', 0, length).trim();
  if (length > MAX_BYTES || text === '')
    throw failed(
      length > MAX_BYTES ? `more than ${MAX_BYTES} bytes` : 'empty',
      'put the URL there and nothing else',
    );
  return text;
}
