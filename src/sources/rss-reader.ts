import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, SpillwayError } from '../core/lib/errors.ts';
import type { Usage } from '../core/model/reading.ts';
import { statusBytes } from '../core/proc/proc-text.ts';
import { pageBytesOf, readProc } from './proc-fs.ts';

/** What it follows; {@link follow} takes them biggest first. */
export interface FollowedProcess {
  pid: number;
  /** Tells two processes with the same pid apart. */
  identity: number;
  rssBytes: number;
  /** Of its RSS, what is counted in another process already. Default 0. */
  overBytes?: number;
}

/** Reads the memory of a tree of processes by their RSS, for when their cgroup cannot be read. */
export interface RssReader {
  /**
   * Takes over what the last look at the processes found. Reads `status` of the followed ones and of those new to it.
   * @throws {SpillwayError} `read`
   */
  follow(processes: readonly FollowedProcess[]): void;
  /**
   * Adds up now. `usedBytes` is the RSS, `reclaimableBytes` the file pages in it: code and mapped files, which the kernel can
   * drop. File pages that several processes share are counted in each, which cancels out; others but for `overBytes`.
   * @returns `false` when none of the followed processes is left; `into` is then not written
   * @throws {SpillwayError} `read`
   */
  read(into: Pick<Usage, 'usedBytes' | 'reclaimableBytes'>): boolean;
  close(): void;
}

interface OpenProcess {
  identity: number;
  /** `/proc/PID/statm`; -1 once the process is gone. */
  fd: number;
  shmemBytes: number;
  overBytes: number;
}

/** The largest processes are read each time; the rest counts as the last look found it. */
const MAX_OPEN = 64;
const SPACE = 0x20;

/** Keeps `/proc/PID/statm` of the largest 64 processes open: about 1 µs per process and read. */
export function createRssReader({ procRoot }: { procRoot: string }): RssReader {
  const pageBytes = pageBytesOf(procRoot);
  const buffer = Buffer.alloc(256);
  let open = new Map<number, OpenProcess>();
  let followed: OpenProcess[] = [];
  /** File pages of processes that are not read each time; they hardly change, so they are asked for once. */
  let restFiles = new Map<number, { identity: number; fileBytes: number }>();
  let restUsed = 0;
  let restReclaimable = 0;

  const statusOf = (pid: number): string => {
    const read = readProc(`${procRoot}/${pid}/status`);
    return read.kind === 'value' ? read.value : '';
  };
  const release = (entry: OpenProcess) => {
    if (entry.fd >= 0) closeSync(entry.fd);
    entry.fd = -1;
  };

  function keepOpen(largest: readonly FollowedProcess[]): void {
    const before = open;
    open = new Map();
    try {
      for (const { pid, identity, overBytes = 0 } of largest) {
        const known = before.get(pid);
        const shmemBytes = statusBytes(statusOf(pid), 'RssShmem');
        if (known?.identity === identity) {
          open.set(pid, { ...known, shmemBytes, overBytes });
          known.fd = -1;
        } else open.set(pid, { identity, fd: openStatm(`${procRoot}/${pid}/statm`), shmemBytes, overBytes });
      }
    } finally {
      followed = [...open.values()];
      for (const entry of before.values()) release(entry);
    }
  }

  function addRest(rest: readonly FollowedProcess[]): void {
    const next: typeof restFiles = new Map();
    restUsed = 0;
    restReclaimable = 0;
    for (const { pid, identity, rssBytes, overBytes = 0 } of rest) {
      const before = restFiles.get(pid);
      const fileBytes =
        before?.identity === identity ? before.fileBytes : statusBytes(statusOf(pid), 'RssFile');
      next.set(pid, { identity, fileBytes });
      const files = Math.min(fileBytes, rssBytes);
      restUsed += files + Math.max(0, rssBytes - files - overBytes);
      restReclaimable += files;
    }
    restFiles = next;
  }

  /** Number `field` (0 is the first) of the line in the buffer, digit by digit: a string would be garbage each time. */
  function numberAt(field: number, length: number): number {
    let value = 0;
    let at = 0;
    for (let i = 0; i < length; i++) {
      const byte = buffer[i] ?? SPACE;
      if (byte === SPACE) {
        if (at === field) return value;
        at++;
      } else if (at === field) value = value * 10 + byte - 0x30;
    }
    return value;
  }

  return {
    follow(processes) {
      keepOpen(processes.slice(0, MAX_OPEN));
      addRest(processes.slice(MAX_OPEN));
    },
    read(into) {
      let used = restUsed;
      let reclaimable = restReclaimable;
      let living = restUsed > 0;
      for (const entry of followed) {
        const length = entry.fd < 0 ? 0 : readStatm(entry, buffer);
        const resident = length > 0 ? numberAt(1, length) * pageBytes : 0;
        if (resident === 0) continue;
        living = true;
        const files = Math.max(0, numberAt(2, length) * pageBytes - entry.shmemBytes);
        used += files + Math.max(0, resident - files - entry.overBytes);
        reclaimable += files;
      }
      if (!living) return false;
      into.usedBytes = used;
      into.reclaimableBytes = reclaimable;
      return true;
    },
    close() {
      for (const entry of followed) release(entry);
      open = new Map();
      followed = [];
      restUsed = 0;
    },
  };
}

function openStatm(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return -1;
    throw new SpillwayError('read', `${file} cannot be opened: ${errnoOf(error)}`, { cause: error });
  }
}

function readStatm(entry: OpenProcess, buffer: Buffer): number {
  try {
    return readSync(entry.fd, buffer, 0, buffer.length, 0);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH')
      throw new SpillwayError('read', `statm cannot be read: ${errnoOf(error)}`, { cause: error });
    closeSync(entry.fd);
    entry.fd = -1;
    return 0;
  }
}
