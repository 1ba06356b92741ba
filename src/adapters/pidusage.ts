import pidusage from 'pidusage';

/** What one process uses. */
export interface ProcessUsage {
  rssBytes: number;
  /** CPU used since it started, user and kernel mode, in milliseconds. */
  cpuMs: number;
  /** Milliseconds since it started. */
  ageMs: number;
}

/**
 * pidusage keeps `/proc/PID/stat` of each process it was asked about open, and closes it this long after the last
 * question. Its `clear()` is not used: it forgets the open files without closing them (4.1.0).
 */
const KEEP_MS = 5000;
/** Asked about at once; keeps each turn of the event loop short. 50 processes take 0.7 ms. */
const BATCH = 50;

let running = 0;
const preset = process.env.PIDUSAGE_SILENT;

/**
 * RSS and CPU time of processes, through pidusage; those that are gone, or that it cannot tell about, are missing from the
 * answer. CPU is given as time used: pidusage's own percentage starts anew whenever it has forgotten a process.
 *
 * The first call runs `getconf` twice; where there is no shell, pidusage assumes 100 ticks a second and pages of 4 KiB.
 * Nothing is printed and nothing is thrown.
 */
export async function readProcessUsage(pids: readonly number[]): Promise<Map<number, ProcessUsage>> {
  const usage = new Map<number, ProcessUsage>();
  for (let i = 0; i < pids.length; i += BATCH) {
    for (const stat of await ask(pids.slice(i, i + BATCH))) {
      if (!Number.isFinite(stat.memory) || !Number.isFinite(stat.ctime)) continue;
      usage.set(stat.pid, { rssBytes: stat.memory, cpuMs: stat.ctime, ageMs: stat.elapsed });
    }
  }
  return usage;
}

async function ask(pids: number[]): Promise<pidusage.Status[]> {
  // Set only while a call runs: the variable must not reach the commands that are started.
  if (running++ === 0) process.env.PIDUSAGE_SILENT = '1';
  try {
    const stats: Record<string, pidusage.Status | null | undefined> = await pidusage(pids, {
      maxage: KEEP_MS,
    });
    return Object.values(stats).filter((stat) => stat !== undefined && stat !== null);
  } catch {
    return []; // none of them lives, or nothing may be started here: missing is the answer either way
  } finally {
    if (--running === 0) {
      if (preset === undefined) delete process.env.PIDUSAGE_SILENT;
      else process.env.PIDUSAGE_SILENT = preset;
    }
  }
}
