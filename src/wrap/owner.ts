import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readProcess } from './processes.ts';

/**
 * A name for what this process leaves behind where it is killed: its pid, its start in clock ticks, and its pid namespace, as a pid says
 * nothing in another one. `undefined` where there is no `/proc`.
 */
export function ownerName(procRoot: string): string | undefined {
  const self = readProcess('self', procRoot);
  return self && `spillway-${self.pid}-${self.startTicks}-${pidNamespace(procRoot)}`;
}

/** Whether a name is that of a process of this pid namespace that no longer lives. */
export function isOrphaned(name: string, procRoot: string): boolean {
  const [, pid, startTicks, namespace] = /^spillway-(\d+)-(\d+)-(\d+)$/.exec(name) ?? [];
  if (namespace === undefined || namespace !== pidNamespace(procRoot)) return false;
  return readProcess(Number(pid), procRoot)?.startTicks !== Number(startTicks);
}

function pidNamespace(procRoot: string): string {
  try {
    return readlinkSync(join(procRoot, 'self/ns/pid')).replace(/\D/g, '');
  } catch {
    return '0';
  }
}
