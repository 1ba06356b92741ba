import { type ContainerPlace, containerOf } from '../core/proc/mountinfo.ts';
import { readProc } from './proc-fs.ts';

/**
 * Pod and container that a process belongs to, by its own view of its mounts; that can be read across users, without any
 * right at the Kubernetes API. `undefined` when it does not tell: no Kubernetes, a runtime that mounts in another way, a
 * process that is gone.
 * @param pid a number, or `self`
 */
export function containerPlace(procRoot: string, pid: number | 'self'): ContainerPlace | undefined {
  const read = readProc(`${procRoot}/${pid}/mountinfo`);
  return read.kind === 'value' ? containerOf(read.value) : undefined;
}
