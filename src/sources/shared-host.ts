import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { listPids } from './proc-fs.ts';

export interface SharedHostOptions {
  procRoot: string;
  /** `/sys`, or a tree that looks like it. */
  sysRoot: string;
  /** Whether the guardian runs in a pod. */
  inPod: boolean;
  /** The agent. */
  pid: number;
}

/** Who could reach the port: whoever runs on the node, or another user of the machine; `message` in words. */
export interface SharedHost {
  code: 'node_network' | 'other_user';
  message: string;
}

/** Below it are the accounts of the system's own services. */
const FIRST_USER = 1000;

/**
 * Who else could reach a port on loopback here; `undefined` where nobody can who could not reach the agent anyway.
 * A pod with the node's network: whoever runs on the node. Elsewhere: users of this machine with a process in the same
 * network namespace; where its namespace may not be seen, it counts as the same.
 */
export function sharedHost({ procRoot, sysRoot, inPod, pid }: SharedHostOptions): SharedHost | undefined {
  if (inPod) {
    const device = physicalDevice(`${sysRoot}/class/net`);
    return device === undefined
      ? undefined
      : {
          code: 'node_network',
          message: `the pod has the node's network (${device}): every process of the node can reach the port`,
        };
  }
  const ours = namespaceOf(procRoot, 'self');
  const known = new Set([0, ownerOf(procRoot, 'self'), ownerOf(procRoot, pid)]);
  for (const other of listPids(procRoot)) {
    const uid = ownerOf(procRoot, other);
    if (uid === undefined || uid < FIRST_USER || known.has(uid)) continue;
    const its = namespaceOf(procRoot, other);
    if (its === undefined || its === ours)
      return {
        code: 'other_user',
        message: `processes of another user run on this machine (uid ${uid}, pid ${other}) and can reach the port`,
      };
  }
  return undefined;
}

/** A network interface with hardware behind it: pods have virtual ones. */
function physicalDevice(folder: string): string | undefined {
  try {
    return readdirSync(folder).find((name) => existsSync(`${folder}/${name}/device`));
  } catch {
    return undefined; // no /sys
  }
}

function ownerOf(procRoot: string, pid: number | 'self'): number | undefined {
  try {
    return statSync(`${procRoot}/${pid}`).uid;
  } catch {
    return undefined; // ended
  }
}

function namespaceOf(procRoot: string, pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`${procRoot}/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
