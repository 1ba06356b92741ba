import { readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { type ClientConnections, countConnections, hasUnixClients } from '../core/proc/client-connections.ts';
import { createYielder } from './breath.ts';
import { eachChunk, tcpTable } from './tcp-tables.ts';

const MAX_UNIX_BYTES = 1024 * 1024;

/**
 * How many requests may be in flight: established connections that others have opened to the agent. One that is kept open
 * between two requests counts (Node's own server closes those after 5 s), one that waits to be accepted does too; those
 * between the agent's own processes do not.
 *
 * An agent that listens at no TCP port fetches its work (a queue's worker, a chat's poller) or serves a Unix socket: what it
 * has in flight is unknown, and never 0. Nor is it while nobody is connected by TCP and somebody is at a Unix socket.
 *
 * The kernel walks its whole hash of connections for that, empty or not: 11 ms of CPU on a machine of 24 GB, off the event
 * loop; the rows are parsed in slices of 2 ms.
 * @param pids all processes of the agent, its main process first: its network namespace is looked at
 * @param leaveOut local ports on which no work comes in: a debugger's
 * @returns a total of `null` also where the table or the main process' open files may not be read, where the table is
 *   larger than 8 MiB, and when the process is gone
 */
export async function countInFlight(
  procRoot: string,
  pids: readonly number[],
  leaveOut: readonly number[] = [],
): Promise<ClientConnections> {
  const before = process.cpuUsage();
  const count = await countFor(procRoot, pids, leaveOut);
  const { user, system } = process.cpuUsage(before);
  return { ...(count ?? { total: null, accepted: new Map() }), costMs: (user + system) / 1000 };
}

async function countFor(
  procRoot: string,
  pids: readonly number[],
  leaveOut: readonly number[],
): Promise<ReturnType<typeof countConnections>> {
  const [main] = pids;
  const table = main === undefined ? undefined : await tcpTable(`${procRoot}/${main}/net`);
  // after the table: what was accepted in between stands in it as still waiting
  const owners = table && (await socketsOf(procRoot, pids));
  if (!owners) return null;
  const count = countConnections(table, owners, leaveOut);
  if (count?.total !== 0) return count;
  const unix = await textOf(`${procRoot}/${main}/net/unix`);
  return unix === undefined || hasUnixClients(unix, owners) ? null : count;
}

/** `undefined` where it is larger than 1 MiB; empty where there is none: a kernel without Unix sockets. */
async function textOf(file: string): Promise<string | undefined> {
  const parts: string[] = [];
  const whole = await eachChunk(file, MAX_UNIX_BYTES, (bytes, length) => {
    parts.push(bytes.toString('latin1', 0, length));
    return 0;
  });
  return whole === 'too large' ? undefined : parts.join('');
}

/** Which of these processes holds a socket, by inode; `undefined` when those of the first may not be seen. */
async function socketsOf(
  procRoot: string,
  pids: readonly number[],
): Promise<Map<number, number> | undefined> {
  const breathe = createYielder();
  const owners = new Map<number, number>();
  for (const [i, pid] of pids.entries()) {
    const folder = `${procRoot}/${pid}/fd`;
    let files: string[] = [];
    try {
      files = await readdir(folder);
    } catch {
      if (i === 0) return undefined;
      continue; // a child that is gone, or that hides itself (a browser's sandbox) and serves nobody
    }
    for (const file of files) {
      await breathe();
      const inode = socketOf(`${folder}/${file}`);
      if (inode !== undefined && !owners.has(inode)) owners.set(inode, pid);
    }
  }
  return owners;
}

function socketOf(link: string): number | undefined {
  try {
    const target = readlinkSync(link);
    return target.startsWith('socket:[') ? Number.parseInt(target.slice(8), 10) : undefined;
  } catch {
    return undefined; // closed meanwhile
  }
}
