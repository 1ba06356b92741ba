import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { removeGroup } from '../../src/wrap/cgroup-files.ts';
import { MIB } from '../support/cli.ts';
import { makeGroup } from '../support/kernel.ts';
import type { Kind } from './kinds.ts';
import type { Seen, Spec } from './spec.ts';
import type { Stage } from './stage.ts';

const run = promisify(execFile);
/** A namespace of processes and of ports, as a pod has; all in it ends with the first process. */
const POD = [
  ...['unshare', '--pid', '--net', '--mount', '--mount-proc', '--fork', '--kill-child=KILL', 'sh', '-c'],
  ...['ip link set lo up && exec "$@"', 'sh'],
];

/** Guards an agent of this kind for so many seconds. `atEnd` is given what is to be done after the test. */
export async function observed(
  kind: Kind,
  stage: Stage,
  options: Pick<Spec, 'seconds'>,
  atEnd: (remove: () => Promise<void>) => void,
): Promise<Seen> {
  const { command, how = 'run', limitMiB = 512, uid, clients, ports = [], attach = false, env = {} } = kind;
  const outside = how === 'guard' || uid !== undefined;
  const spec: Spec = {
    ...{ command, how, limitMiB, ports, attach, env, ...options },
    ...(uid === undefined ? {} : { uid }),
    ...(clients && { clients }),
    ...(outside && { group: makeGroup({ limitBytes: limitMiB * MIB, atEnd }).directory }),
    ...{ folder: stage.folder(), cli: stage.cli, contacts: stage.contacts },
  };
  const [first = '', ...rest] = [...POD, process.execPath, stage.observer, JSON.stringify(spec)];
  const { stdout } = await run(first, rest, { maxBuffer: 64 * MIB });
  const seen = JSON.parse(stdout) as Seen;
  // what the guardian made it removes; not where the observer had to end it
  if (seen.group && existsSync(seen.group)) await removeGroup(seen.group);
  return seen;
}
