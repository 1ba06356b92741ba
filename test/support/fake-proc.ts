/** One process of a made-up `/proc`; what is left out is ordinary. */
export interface FakeProcess {
  pid: number;
  ppid?: number;
  comm?: string;
  args?: string[];
  /** Text of `/proc/PID/cgroup`. */
  cgroup?: string;
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

/** The files of made-up processes, below `proc/`, for a tree of files. */
export function procFiles(processes: FakeProcess[]): Record<string, string> {
  return Object.fromEntries(
    processes.flatMap((fake) => [
      [`proc/${fake.pid}/stat`, statLine(fake)],
      [`proc/${fake.pid}/cmdline`, (fake.args ?? ['node', 'agent.js']).map((arg) => `${arg}\0`).join('')],
      [`proc/${fake.pid}/cgroup`, fake.cgroup ?? '0::/\n'],
    ]),
  );
}
