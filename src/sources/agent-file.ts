import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * Opens a regular file of the agent's. The agent may have put a FIFO or a device there: to open one would wait for ever, and
 * the guardian has one thread.
 * @param follow whether the last part of the path may be a link, as those of `/proc` are. Default false
 * @throws a system error, or `Error` for what is no regular file
 */
export function openAgentFile(path: string, follow = false): number {
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error(`${path} is not a regular file`);
}

/**
 * What such a file holds.
 * @param uid whose it must be, where that matters
 * @param follow as there
 * @returns `null` where it holds more than `maxBytes`, or is somebody else's
 * @throws as {@link openAgentFile}
 */
export function readAgentFile(path: string, maxBytes: number, uid?: number, follow = false): Buffer | null {
  const fd = openAgentFile(path, follow);
  try {
    const found = fstatSync(fd);
    if (found.size > maxBytes || (uid !== undefined && found.uid !== uid)) return null;
    const bytes = Buffer.alloc(found.size);
    let length = 0;
    // it may shrink meanwhile; what it grows by is left
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
