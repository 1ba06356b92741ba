import { readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseTcpTable, TCP_ESTABLISHED, TCP_LISTEN, type TcpSocket } from '../core/proc-net.ts';

/**
 * How many requests may be in work: established connections that others have opened to the agent. One that is kept open
 * between two requests counts (Node's own server closes those after 5 s), one that waits to be accepted does too; those
 * between the agent's own processes do not.
 *
 * The kernel walks its whole hash of connections for that, empty or not: 11 ms of CPU on a machine of 24 GB, 2 to 3 of
 * them in the event loop; 24 and 10 with 1,000 connections open.
 * @param pids the agent's processes, its main process first: its network namespace is looked at
 * @param leaveOut local ports on which no work comes in: a debugger's
 * @returns `null` where it cannot be told: the table or the main process' open files may not be read, or it is gone
 */
export async function countInFlight(
  procRoot: string,
  pids: readonly number[],
  leaveOut: readonly number[] = [],
): Promise<number | null> {
  const [main] = pids;
  const table = main === undefined ? undefined : await tableOf(procRoot, main);
  // after the table: what was accepted in between stands in it as still waiting
  const owned = table && inodesOf(procRoot, pids);
  if (!owned) return null;

  const ports = new Set<number>();
  for (const { state, localPort, inode } of table)
    if (state === TCP_LISTEN && owned.has(inode) && !leaveOut.includes(localPort)) ports.add(localPort);
  const connections = table.filter(({ state }) => state === TCP_ESTABLISHED);
  // the other end of a connection within the agent is in the same table, with the ports the other way round
  const own = new Set<string>();
  for (const { inode, localPort, remotePort } of connections)
    if (owned.has(inode) && !ports.has(localPort)) own.add(`${remotePort} ${localPort}`);
  return connections.filter(
    ({ inode, localPort, remotePort }) =>
      ports.has(localPort) && (inode === 0 || owned.has(inode)) && !own.has(`${localPort} ${remotePort}`),
  ).length;
}

/** Both tables; without IPv6 there is only one. */
async function tableOf(procRoot: string, pid: number): Promise<TcpSocket[] | undefined> {
  const read = (name: string) => readFile(`${procRoot}/${pid}/net/${name}`, 'latin1');
  const [v4, v6] = await Promise.allSettled([read('tcp'), read('tcp6')]);
  if (v4.status === 'rejected' && v6.status === 'rejected') return undefined; // gone, or not to be seen
  return [v4, v6].flatMap((text) => (text.status === 'fulfilled' ? parseTcpTable(text.value) : []));
}

/** The sockets that are open in these processes; `undefined` when those of the first may not be seen. */
function inodesOf(procRoot: string, pids: readonly number[]): Set<number> | undefined {
  const inodes = new Set<number>();
  for (const [i, pid] of pids.entries()) {
    const folder = `${procRoot}/${pid}/fd`;
    let files: string[] = [];
    try {
      files = readdirSync(folder);
    } catch {
      if (i === 0) return undefined;
      continue; // a child that is gone, or that hides itself (a browser's sandbox) and serves nobody
    }
    for (const file of files) {
      const inode = socketOf(`${folder}/${file}`);
      if (inode !== undefined) inodes.add(inode);
    }
  }
  return inodes;
}

function socketOf(link: string): number | undefined {
  try {
    const target = readlinkSync(link);
    return target.startsWith('socket:[') ? Number.parseInt(target.slice(8), 10) : undefined;
  } catch {
    return undefined; // closed meanwhile
  }
}
