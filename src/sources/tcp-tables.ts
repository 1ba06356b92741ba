import { type FileHandle, open } from 'node:fs/promises';
import { TcpTable } from '../core/proc/proc-net.ts';
import { type ListeningSocket, parseListening } from '../core/proc/socket-table.ts';

/** The kernel gives a page at a time, whatever is asked for. */
const CHUNK_BYTES = 8192;
/** Some 55,000 sockets: on the node's own network the table is everybody's. */
const MAX_TABLE_BYTES = 8 * 1024 * 1024;

/**
 * The listening sockets and the established connections of a network namespace, off the event loop. Without IPv6 there is
 * only one table.
 * @param folder `/proc/PID/net`
 * @returns `undefined` where a table may not be read or is larger than 8 MiB, and when the process is gone
 */
export async function tcpTable(folder: string): Promise<TcpTable | undefined> {
  const table = new TcpTable();
  let read = 0;
  for (const name of ['tcp', 'tcp6']) {
    const whole = await eachChunk(`${folder}/${name}`, MAX_TABLE_BYTES, (bytes, length) => {
      const taken = table.take(bytes, length);
      bytes.copyWithin(0, taken, length);
      return length - taken;
    });
    if (whole === 'too large') return undefined;
    if (whole === 'read') read++;
  }
  return read > 0 ? table : undefined; // gone, or not to be seen
}

/**
 * The listening sockets of a network namespace, off the event loop: to fill a page the kernel walks its whole table of
 * connections, which takes 1.6 ms on a machine of 24 GB. It lists them first (its `networking/proc_net_tcp`), so reading ends
 * at the first page without one: 9,000 closed connections, which wait for their time there, took 150 ms to read.
 * @param folder `/proc/PID/net`
 * @returns none where there is no table: not Linux, a kernel without IPv6, or the process has ended
 */
export async function listeningIn(folder: string): Promise<ListeningSocket[]> {
  const found: ListeningSocket[] = [];
  for (const name of ['tcp', 'tcp6'])
    await eachChunk(`${folder}/${name}`, MAX_TABLE_BYTES, (bytes, length) => {
      const whole = bytes.subarray(0, length).lastIndexOf('\n') + 1;
      const rows = parseListening(bytes.toString('latin1', 0, whole));
      if (rows.length === 0 && whole > 0) return 'enough';
      found.push(...rows);
      bytes.copyWithin(0, whole, length);
      return length - whole;
    });
  return found;
}

/**
 * Reads a file under `/proc` by pages.
 * @param take gets what it kept and the next chunk behind it, `length` bytes together; returns how many bytes it keeps, moved
 *   to the start, or that there is enough
 */
export async function eachChunk(
  path: string,
  maxBytes: number,
  take: (bytes: Buffer, length: number) => number | 'enough',
): Promise<'read' | 'too large' | 'missing'> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch {
    return 'missing';
  }
  try {
    const bytes = Buffer.allocUnsafe(2 * CHUNK_BYTES);
    let kept = 0;
    for (let total = 0; total <= maxBytes; ) {
      const { bytesRead } = await file.read(bytes, kept, CHUNK_BYTES, null);
      if (bytesRead === 0) return 'read';
      total += bytesRead;
      const keeps = take(bytes, kept + bytesRead);
      if (keeps === 'enough') return 'read';
      kept = Math.min(CHUNK_BYTES, keeps);
    }
    return 'too large';
  } catch {
    return 'missing'; // it ended meanwhile
  } finally {
    await file.close();
  }
}
