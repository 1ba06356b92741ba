import { SpillwayError } from '../../core/lib/errors.ts';
import { goneError } from '../../core/ports/runtime-client.ts';
import { readPythonFacts } from '../../sources/python/facts.ts';
import { isWritable, type ProbeOptions, type RuntimeProbe } from '../probe.ts';
import { openOrder } from './remote-order.ts';

/** @throws SpillwayError `refused`, with the hint */
export async function probePython(pid: number, { procRoot }: ProbeOptions): Promise<RuntimeProbe> {
  const facts = readPythonFacts(procRoot, pid);
  const startTime = facts.startTime();
  if (startTime === null) throw goneError(pid);
  if (facts.hookSocket() !== null) return { code: 'hook', detail: 'spillway_hook' };
  const order = openOrder(procRoot, pid, facts, startTime);
  order.close();
  if (!facts.directories().some(({ here }) => isWritable(here)))
    throw new SpillwayError('refused', 'no directory of the agent is writable', {
      hint: 'give the agent a writable /tmp (an emptyDir)',
    });
  return { code: 'remote_debugging', detail: `remote debugging (PEP 768) of CPython ${order.version}` };
}
