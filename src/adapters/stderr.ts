import { constants, fstatSync, openSync, write } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';

/** Lines waiting for a reader, in bytes. What comes on top is dropped: a stopped log collector must cost bounded memory. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** How soon a full pipe is tried again, in milliseconds. */
const RETRY_MS = 50;

/** Writes lines to standard error without ever waiting for who reads it. */
export interface LineWriter {
  /** Queues a line (with its line end); drops it when 1 MiB waits. Never throws. */
  write(line: string): void;
  /**
   * Waits until all is written, at most `timeoutMs`; never hangs.
   * @returns whether all was written
   */
  flush(timeoutMs: number): Promise<boolean>;
}

/**
 * The writer for standard error. A blocking write to a pipe nobody reads would stop the guardian when done at once, and its
 * exit when done in libuv's thread pool (`process.exit` joins the threads; measured on Node 20). So a pipe or terminal
 * is opened a second time, non-blocking: a flag on descriptor 2 itself would also change it for the wrapped command.
 *
 * One line per write: a pipe takes up to 4,096 bytes whole, so lines do not mix with those of the command.
 * @param onDropped told how many lines were lost, once writing works again
 */
export function openStderr(onDropped: (lines: number) => void): LineWriter {
  const fd = reopen();
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let dropped = 0;
  let busy = false;
  let drained: (() => void)[] = [];

  const next = (): void => {
    const line = waiting[0];
    busy = line !== undefined;
    if (line) write(fd, line, (error, bytes) => written(error, line, bytes));
    else for (const tell of drained.splice(0)) tell();
  };
  const written = (error: NodeJS.ErrnoException | null, line: Buffer, bytes: number): void => {
    if (error?.code === 'EAGAIN') {
      setTimeout(next, RETRY_MS);
      return;
    }
    // Any other error (EPIPE: no reader left; ENOSPC behind a redirection) costs this line; the next one tries anew.
    const taken = error ? line.length : bytes;
    waitingBytes -= taken;
    if (error) dropped++;
    if (taken < line.length) waiting[0] = line.subarray(taken);
    else waiting.shift();
    next();
    if (error || dropped === 0 || waitingBytes > MAX_WAITING_BYTES / 2) return;
    const lines = dropped;
    dropped = 0;
    onDropped(lines);
  };

  return {
    write: (text) => {
      const line = Buffer.from(text);
      if (waitingBytes + line.length > MAX_WAITING_BYTES) {
        dropped++;
        return;
      }
      waiting.push(line);
      waitingBytes += line.length;
      if (!busy) next();
    },
    flush: async (timeoutMs) => {
      if (!busy) return true;
      return await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => {
          drained = drained.filter((each) => each !== done);
          if (fd === 2) release();
          resolve(false);
        }, timeoutMs);
        const done = () => {
          clearTimeout(timer);
          resolve(true);
        };
        drained.push(done);
      });
    },
  };
}

/** A descriptor of our own for standard error, or 2 where there is none to be had. */
function reopen(): number {
  try {
    // A file is not opened again: the offset is part of the descriptor, and two would overwrite each other.
    if (!fstatSync(2).isFIFO() && !isatty(2)) return 2;
    return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return 2; // no /proc (macOS), a pipe of another user, or no reader any more
  }
}

/** A socket cannot be opened again; shutting down its sending side ends the write that a thread is stuck in. */
function release(): void {
  try {
    if (fstatSync(2).isSocket())
      new Socket({ fd: 2, readable: false, writable: true }).on('error', () => {}).end();
  } catch {
    // Closed meanwhile: then no thread is stuck either.
  }
}
