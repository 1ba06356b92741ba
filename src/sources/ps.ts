import { execFile } from 'node:child_process';
import { SpillwayError } from '../core/lib/errors.ts';

/** One line of `ps`. */
export interface ListedProcess {
  ppid: number;
  rssBytes: number;
  /** The command: its path on macOS, the kernel's name on Linux. */
  comm: string;
}

const TIMEOUT_MS = 5000;
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

/**
 * All processes by pid, from one run of `ps`: for systems without `/proc`.
 * @throws {SpillwayError} `read` when `ps` cannot be run or takes longer than 5 s; `malformed` when its output is no list
 */
export async function listWithPs(): Promise<Map<number, ListedProcess>> {
  const text = await new Promise<string>((resolve, reject) => {
    execFile(
      'ps',
      ['-axo', 'pid=,ppid=,rss=,comm='],
      { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout) => {
        if (error) reject(new SpillwayError('read', 'ps cannot list the processes', { cause: error }));
        else resolve(stdout);
      },
    );
  });
  return parsePs(text);
}

/** Parses `PID PPID RSS COMM` lines; RSS is in KiB, COMM may hold spaces. */
export function parsePs(text: string): Map<number, ListedProcess> {
  const listed = new Map<number, ListedProcess>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, pid, ppid, kib, comm] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*(.*?)\s*$/.exec(line) ?? [];
    if (comm === undefined)
      throw new SpillwayError('malformed', `ps lists a process as ${JSON.stringify(line.slice(0, 80))}`);
    listed.set(Number(pid), { ppid: Number(ppid), rssBytes: Number(kib) * 1024, comm });
  }
  return listed;
}
