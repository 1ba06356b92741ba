import type { TcpTable } from './proc-net.ts';

/** Connections that clients hold to an agent. */
export interface ClientConnections {
  /** Over all its processes, those that wait to be accepted included; `null` where that is unknown. */
  total: number | null;
  /** Of those, what each process has accepted, by pid. */
  accepted: ReadonlyMap<number, number>;
  /** CPU time this process spent to count them, in milliseconds: what the next count is put off by. */
  costMs: number;
}

/**
 * Counts them: connections to the ports on which the agent's processes listen, held by one of them or by none yet. Those
 * between its own processes are no clients'.
 * @param owners which process holds a socket, by inode
 * @param leaveOut ports on which no work comes in: a debugger's
 * @returns `null` when the agent listens nowhere: it fetches its work, and its work in flight is not visible from here
 */
export function countConnections(
  table: TcpTable,
  owners: ReadonlyMap<number, number>,
  leaveOut: readonly number[] = [],
): Omit<ClientConnections, 'costMs'> | null {
  const ports = new Set<number>();
  for (const { port, inode } of table.listening)
    if (owners.has(inode) && !leaveOut.includes(port)) ports.add(port);
  if (ports.size === 0) return null;

  // plain loops: on a busy node's own network there are tens of thousands of rows
  const { localPorts, remotePorts, inodes } = table;
  // the other end of a connection within the agent is in the same table, with the ports the other way round
  const own = new Set<number>();
  for (let i = 0; i < inodes.length; i++) {
    const local = localPorts[i] ?? 0;
    if (!ports.has(local) && owners.has(inodes[i] ?? 0)) own.add(pairOf(remotePorts[i] ?? 0, local));
  }
  const accepted = new Map<number, number>();
  let total = 0;
  for (let i = 0; i < inodes.length; i++) {
    const local = localPorts[i] ?? 0;
    if (!ports.has(local) || own.has(pairOf(local, remotePorts[i] ?? 0))) continue;
    const inode = inodes[i] ?? 0;
    const pid = owners.get(inode);
    if (pid !== undefined) accepted.set(pid, (accepted.get(pid) ?? 0) + 1);
    if (pid !== undefined || inode === 0) total++;
  }
  return { total, accepted };
}

function pairOf(local: number, remote: number): number {
  return local * 65_536 + remote;
}

/** A row of `/proc/PID/net/unix` that has a name: `0000…: REFS PROTO FLAGS TYPE ST INODE NAME`. */
const UNIX_ROW = /^[\da-f]+: [\dA-F]+ [\dA-F]+ ([\dA-F]{8}) [\dA-F]+ [\dA-F]+ +(\d+) (.+)$/gm;
/** `__SO_ACCEPTCON` in the flags: the socket listens. */
const LISTENS = 0x10000;

/**
 * Whether somebody is connected to a Unix socket on which these processes listen. Accepted connections, and those that wait,
 * carry the listener's name; the other end is unknown.
 */
export function hasUnixClients(text: string, owners: ReadonlyMap<number, number>): boolean {
  const rows = Array.from(text.matchAll(UNIX_ROW), ([, flags = '', inode, name = '']) => ({
    listens: (Number.parseInt(flags, 16) & LISTENS) !== 0,
    inode: Number(inode),
    name,
  }));
  const names = new Set(
    rows.flatMap(({ listens, inode, name }) => (listens && owners.has(inode) ? [name] : [])),
  );
  return rows.some(({ listens, name }) => !listens && names.has(name));
}
