/** One process of a made-up `/proc`; what is left out is ordinary. */
export interface FakeProcess {
  pid: number;
  ppid?: number;
  comm?: string;
  args?: string[];
  /** Text of `/proc/PID/cgroup`. */
  cgroup?: string;
  /** Name of its container as its mounts tell it. */
  container?: string;
  state?: string;
  startTime?: number;
  kernelThread?: boolean;
}

/** The line of `/proc/PID/stat`, with all 52 fields. */
export function statLine(fake: FakeProcess): string {
  const fields = Array.from({ length: 50 }, () => '0');
  fields[0] = fake.state ?? 'S';
  fields[1] = String(fake.ppid ?? 0);
  fields[6] = String(fake.kernelThread ? 0x0020_8040 : 0x0040_0100);
  fields[17] = '1';
  fields[19] = String(fake.startTime ?? fake.pid * 100);
  fields[21] = '1000';
  return `${fake.pid} (${fake.comm ?? 'node'}) ${fields.join(' ')}\n`;
}

/** Three of some thirty lines; the middle one is that of the termination log. */
function mountinfo(container: string | undefined): string {
  const log = `/var/lib/kubelet/pods/f40771b3-6ad4-4bd9-ac84-6aecd4c86a17/containers/${container}/54ff6635`;
  return [
    '177 100 0:67 / / rw,relatime - overlay overlay rw,lowerdir=/1,upperdir=/2,workdir=/3',
    ...(container === undefined ? [] : [`194 179 254:0 ${log} /dev/termination-log rw - ext4 /dev/vda rw`]),
    '197 179 0:41 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k',
    '',
  ].join('\n');
}

/** The files of made-up processes, below `proc/`, for a tree of files. */
export function procFiles(processes: FakeProcess[]): Record<string, string> {
  return Object.fromEntries(
    processes.flatMap((fake) => [
      [`proc/${fake.pid}/stat`, statLine(fake)],
      [`proc/${fake.pid}/cmdline`, (fake.args ?? ['node', 'agent.js']).map((arg) => `${arg}\0`).join('')],
      [`proc/${fake.pid}/cgroup`, fake.cgroup ?? '0::/\n'],
      [`proc/${fake.pid}/mountinfo`, mountinfo(fake.container)],
    ]),
  );
}
