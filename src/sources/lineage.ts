import type { ProcessRow } from './process-table.ts';

/** The oldest member that no other member started. */
export function rootOf(members: ProcessRow[]): ProcessRow[] {
  const pids = new Set(members.map((row) => row.pid));
  return members
    .filter((row) => !pids.has(row.stat.ppid))
    .sort(byAge)
    .slice(0, 1);
}

/** Whether a process is the guardian, started it, or was started by it. */
export function isFamily(row: ProcessRow, selfPid: number, rows: Map<number, ProcessRow>): boolean {
  if (row.pid === selfPid || ancestorsOf(row, rows).some((ancestor) => ancestor.pid === selfPid)) return true;
  const self = rows.get(selfPid);
  return self !== undefined && ancestorsOf(self, rows).includes(row);
}

/** Parent, its parent, and so on. A listing is no snapshot: pids that changed hands may even close a circle. */
export function ancestorsOf(row: ProcessRow, rows: Map<number, ProcessRow>): ProcessRow[] {
  const line: ProcessRow[] = [];
  let parent = rows.get(row.stat.ppid);
  while (parent && parent !== row && !line.includes(parent)) {
    line.push(parent);
    parent = rows.get(parent.stat.ppid);
  }
  return line;
}

export function byAge(a: ProcessRow, b: ProcessRow): number {
  return a.stat.startTime - b.stat.startTime || a.pid - b.pid;
}
