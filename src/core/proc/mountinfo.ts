/** Whose a process is, as its mounts tell. */
export interface ContainerPlace {
  podUid: string;
  /** Name in the pod's manifest. */
  container: string;
}

/**
 * The directory that the kubelet makes for each container, below its own root, wherever that is mounted from:
 * `…/pods/UID/containers/NAME/HASH`. The hash is new with each restart; a file that was removed meanwhile ends in `//deleted`.
 */
const PLACE = /\/pods\/([^/ ]+)\/containers\/([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)\/[0-9a-f]+(?:\/\/deleted)?$/;

/**
 * Finds a container's name in the text of `/proc/PID/mountinfo`: the kubelet mounts a file for the termination message
 * (usually at `/dev/termination-log`) into every container, and the fourth field of its line is where it comes from.
 */
export function containerOf(mountinfo: string): ContainerPlace | undefined {
  for (const line of mountinfo.split('\n')) {
    const [, podUid, container] = PLACE.exec(line.split(' ')[3] ?? '') ?? [];
    if (podUid !== undefined && container !== undefined) return { podUid, container };
  }
  return undefined;
}
