import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readWords, writeControl } from '../../../src/wrap/cgroup-files.ts';
import { makePrivateCgroup, type PrivateCgroup } from '../../../src/wrap/private-cgroup.ts';

/** Room for all groups inside. */
const WHOLE_BYTES = 64 * 2 ** 30;

/** A group with a limit of its own. */
export interface Group {
  directory: string;
  version: 1 | 2;
}

/** Groups for the containers of several replicas. */
export interface Groups {
  /** @throws Error with the reasons when no cgroup can be made here */
  make(name: string, limitBytes: number): Group;
  remove(): Promise<void>;
}

/** Makes nothing before the first group is asked for: a command in wrap mode makes its own, and wants the room for it. */
export function makeGroups(): Groups {
  let whole: PrivateCgroup | undefined;
  return {
    make(name, limitBytes) {
      whole ??= makeWhole();
      const { version } = whole;
      const directory = join(whole.directory, name);
      mkdirSync(directory);
      writeControl(directory, version === 1 ? 'memory.limit_in_bytes' : 'memory.max', limitBytes);
      return { directory, version };
    },
    remove: async () => whole?.remove(),
  };
}

function makeWhole(): PrivateCgroup {
  const { group, reasons } = makePrivateCgroup({ limitBytes: WHOLE_BYTES });
  if (!group) throw new Error(`a limit needs a cgroup of its own: ${reasons.join('; ')}`);
  if (group.version === 2 && !readWords(group.directory, 'cgroup.subtree_control').includes('memory'))
    writeControl(group.directory, 'cgroup.subtree_control', '+memory');
  return group;
}
