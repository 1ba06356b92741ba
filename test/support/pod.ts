import { type ChildProcess, spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { listProcesses } from '../../src/wrap/processes.ts';
import { until } from './cli.ts';
import { type Group, makeGroup, VERSION } from './kernel.ts';

/** Containers that see each other's processes and nothing else of each other. */
export interface Pod {
  /** A container: a memory cgroup, and what to put in front of a command so that it runs there. */
  container(options: { uid: number; limitBytes?: number }): { group: Group; enter: string[] };
}

/** As a container runtime mounts it: only its own group, read-only. Version 2 is not mounted twice in one place. */
const MOUNT_OWN_GROUP =
  VERSION === 2
    ? 'umount /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && mount -o remount,bind,ro /sys/fs/cgroup'
    : 'mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && mount -t cgroup -o memory none /sys/fs/cgroup/memory && mount -o remount,bind,ro /sys/fs/cgroup/memory';

/** Makes a process namespace held by a `/pause`, as Kubernetes does with `shareProcessNamespace`; it ends with the test. */
export async function startPod(): Promise<Pod> {
  const holder = spawn(
    'unshare',
    [
      '--pid',
      '--mount',
      '--mount-proc',
      '--fork',
      '--kill-child=KILL',
      'bash',
      '-c',
      'exec -a /pause sleep infinity',
    ],
    { stdio: 'ignore' },
  );
  onTestFinished(() => void holder.kill('SIGKILL'));
  let pause: number | undefined;
  await until(() => {
    pause = childOf(holder);
    return pause !== undefined;
  }, 'the pod is there');
  return {
    container({ uid, limitBytes }) {
      const group = makeGroup(limitBytes === undefined ? {} : { limitBytes });
      const user = ['setpriv', '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups'];
      const enter = [
        ...group.enter,
        ...['nsenter', '--target', `${pause}`, '--pid', '--mount', '--'],
        ...['unshare', '--cgroup', '--mount', 'sh', '-c', `${MOUNT_OWN_GROUP} && exec "$@"`, 'sh'],
        ...[...user, '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'],
      ];
      return { group, enter };
    },
  };
}

function childOf({ pid }: ChildProcess): number | undefined {
  return [...listProcesses().values()].find(({ parentPid }) => parentPid === pid)?.pid;
}
