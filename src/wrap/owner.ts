import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readProcess } from './processes.ts';

/**
 * A name for what this process leaves behind where it is killed: its pid, its start in clock ticks, and its pid namespace with the boot, as a pid says
 * nothing in another one, nor on another machine that shares the directory. `undefined` where there is no `/proc`.
 */
export function ownerName(procRoot: string): string | undefined {
  const self = readProcess('self', procRoot);
  return self && `spillway-${self.pid}-${self.startTicks}-${namespaceOf(procRoot)}`;
}

/** Whether a name is that of a process of this boot and pid namespace that no longer lives. */
export function isOrphaned(name: string, procRoot: string): boolean {
  const [, pid, startTicks, namespace] = /^spillway-(\d+)-(\d+)-(\w+)$/.exec(name) ?? [];
  if (namespace === undefined || namespace !== namespaceOf(procRoot)) return false;
  return readProcess(Number(pid), procRoot)?.startTicks !== Number(startTicks);
}

/** Pid namespaces of two machines, or of one before and after it was started, may have the same number. */
function namespaceOf(procRoot: string): string {
  const number = textOf(() => readlinkSync(join(procRoot, 'self/ns/pid'))).replace(/\D/g, '');
  const boot = textOf(() => readFileSync(join(procRoot, 'sys/kernel/random/boot_id'), 'latin1')).slice(0, 6);
  return `${number || 0}${boot && `b${boot}`}`;
}

function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
