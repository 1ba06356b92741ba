import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { errnoOf, messageOf, SpillwayError } from '../../core/lib/errors.ts';
import { goneError } from '../../core/ports/runtime-client.ts';

/** The memory of one process. It stays that of the program that ran when it was opened, whatever the pid is used for later. */
export interface AgentMemory {
  /** @throws SpillwayError when not all of it can be read */
  read(address: number, bytes: number): Buffer;
  pointer(address: number): number;
  int32(address: number): number;
  /** @throws SpillwayError when not all of it was written */
  write(address: number, bytes: Uint8Array): void;
  close(): void;
}

/**
 * Opens `/proc/PID/mem`. The kernel lets the same uid do that without capabilities, unless Yama restricts it or the
 * process is not dumpable.
 * @param restricted whether Yama's `ptrace_scope` is above 0
 * @throws SpillwayError `refused`
 */
export function openMemory(procRoot: string, pid: number, restricted: boolean): AgentMemory {
  let fd: number;
  try {
    fd = openSync(`${procRoot}/${pid}/mem`, 'r+');
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ESRCH') throw goneError(pid, cause);
    throw new SpillwayError('refused', `the agent's memory is not writable: ${messageOf(cause)}`, {
      hint: restricted
        ? 'kernel.yama.ptrace_scope allows only ancestors: start the agent with `spillway run`, or import spillway_hook in it'
        : 'run the guardian with the uid and gid of the agent, or import spillway_hook in it',
      cause,
    });
  }
  const all = (done: () => number, bytes: number, what: string, address: number): void => {
    let count: number;
    try {
      count = done();
    } catch (cause) {
      throw new SpillwayError('refused', `${what} at 0x${address.toString(16)}: ${messageOf(cause)}`, {
        cause,
      });
    }
    if (count !== bytes)
      throw new SpillwayError('refused', `${what} at 0x${address.toString(16)}: the agent has ended`);
  };
  const read = (address: number, bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    all(() => readSync(fd, buffer, 0, bytes, address), bytes, 'reading', address);
    return buffer;
  };
  return {
    read,
    pointer: (address) => Number(read(address, 8).readBigUInt64LE()),
    int32: (address) => read(address, 4).readInt32LE(),
    write: (address, bytes) =>
      all(() => writeSync(fd, bytes, 0, bytes.length, address), bytes.length, 'writing', address),
    close: () => closeSync(fd),
  };
}
