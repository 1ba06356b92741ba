import { closeSync, constants, lstatSync, openSync, readdirSync } from 'node:fs';
import { SpillwayError } from '../../core/lib/errors.ts';
import { readAgentFile } from '../../sources/agent-file.ts';
import { parsePerfData, safepointMs } from './parse-perf-data.ts';
import type { JvmTarget } from './target.ts';

/** HotSpot's default is 32 KiB (`-XX:PerfDataMemorySize`). */
const MAX_PERF_DATA_BYTES = 1024 * 1024;

/** The JVM's Unix socket for attaching, as seen from here. Its `/tmp` is fixed: `java.io.tmpdir` does not move it. */
export function socketOf({ procRoot, pid, innerPid }: JvmTarget): string {
  return `${procRoot}/${pid}/root/tmp/.java_pid${innerPid}`;
}

/**
 * Milliseconds for which the JVM's program was paused since its start, by the counters it keeps in its `/tmp` (0.1 ms).
 * @returns `null` under `-XX:-UsePerfData`, or where the file is not the JVM's
 */
export function stoppedMs({ procRoot, pid, innerPid, uid }: JvmTarget): number | null {
  const folder = `${procRoot}/${pid}/root/tmp`;
  try {
    for (const name of readdirSync(folder).filter((entry) => entry.startsWith('hsperfdata_'))) {
      const file = `${folder}/${name}/${innerPid}`;
      if (!lstatSync(file, { throwIfNoEntry: false })?.isFile()) continue;
      const content = readAgentFile(file, MAX_PERF_DATA_BYTES, uid);
      const counters = content && parsePerfData(content);
      if (content) return counters && safepointMs(counters);
    }
  } catch {
    // the stall is then measured from here
  }
  return null;
}

/** Whether the socket is there and the JVM's own: in a `/tmp` for all, anybody may put a file of that name. */
export function socketExists(target: JvmTarget): boolean {
  const found = lstatSync(socketOf(target), { throwIfNoEntry: false });
  return found?.isSocket() === true && (found.uid === target.uid || found.uid === 0);
}

/** Where the JVM makes its socket; what is done there goes to the same place when the JVM has died meanwhile. */
export interface OpenFolder {
  /** Of an entry in it. */
  path(name: string): string;
  close(): void;
}

/**
 * Opens the JVM's `/tmp`, not through a link: an absolute one would lead out of the agent's root.
 * @throws SpillwayError `refused`
 */
export function openTmp({ procRoot, pid }: JvmTarget): OpenFolder {
  try {
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
    const fd = openSync(`${procRoot}/${pid}/root/tmp`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return { path: (name) => `${procRoot}/self/fd/${fd}/${name}`, close: () => closeSync(fd) };
  } catch (error) {
    throw new SpillwayError('refused', 'the agent has no /tmp for the socket of its JVM', {
      cause: error,
      hint: 'mount an emptyDir at /tmp of the agent',
    });
  }
}
