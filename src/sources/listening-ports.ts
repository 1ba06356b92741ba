import { readdirSync, readlinkSync } from 'node:fs';
import type { ListeningSocket } from '../core/proc/socket-table.ts';
import { listeningIn } from './tcp-tables.ts';

/**
 * Where a process takes TCP connections, lowest port first: the listening sockets of its network namespace that are among
 * its open files.
 * @returns `null` when its files may not be seen (another uid or gid) or it is gone
 */
export async function listeningSockets(procRoot: string, pid: number): Promise<ListeningSocket[] | null> {
  const held = socketInodes(`${procRoot}/${pid}/fd`);
  if (held === null) return null;
  if (held.size === 0) return [];
  return (await listeningIn(`${procRoot}/${pid}/net`))
    .filter(({ inode }) => held.has(inode))
    .sort((a, b) => a.port - b.port);
}

/** The sockets among a process' open files: links that read `socket:[INODE]`. */
function socketInodes(folder: string): Set<number> | null {
  const inodes = new Set<number>();
  try {
    for (const fd of readdirSync(folder)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(Number(inode));
    }
  } catch {
    return null;
  }
  return inodes;
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return ''; // closed meanwhile
  }
}
