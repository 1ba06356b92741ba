import { errnoOf, messageOf, SpillwayError } from '../core/lib/errors.ts';
import { formatBytes } from '../core/lib/units.ts';
import type { Degraded } from '../core/model/notice.ts';
import type { LimitSource, Reading, Usage, UsageSource } from '../core/model/reading.ts';
import { type CgroupPlace, groupOf, locateCgroup } from './cgroup/locate.ts';
import { MemoryGroup } from './cgroup/memory-group.ts';
import { RssDoubt, type RssOrigin } from './rss-doubt.ts';

/** The sum of RSS over the agent's processes, for where its cgroup does not tell. */
export interface RssSource extends RssOrigin {
  /** @throws when no process of the agent is left */
  read(into: Usage): void;
}

export interface AgentMemoryOptions {
  procRoot: string;
  pid: number | 'self';
  rss: RssSource;
  /** `--limit`, in bytes: overrides, or sets where there is none. */
  limitBytes?: number | undefined;
  /** The agent container's limit as the downward API gives it, in bytes. */
  downwardLimitBytes?: number | undefined;
  /** Memory of the machine, in bytes: the last resort. */
  machineBytes: number;
  /** The agent runs in a cgroup made for it alone, so its limit is the kernel's and `limitBytes` is already in it. */
  privateGroup: boolean;
}

const RELIMIT_EVERY_MS = 250;
/** What is found may still be on its way into its container: where it is settles within a second. */
const RELOCATE_EVERY_MS = 1000;
/** An ancestor that could not be read is tried again. */
const REOPEN_EVERY_MS = 10_000;

/**
 * Memory and limit of one agent, from the best source there is at the moment: its own cgroup, else the sum of RSS;
 * the option, else the cgroup's limit, else the downward API's, else the machine. What is missing is said in words.
 */
export class AgentMemory {
  readonly #options: AgentMemoryOptions;
  readonly #usage: Usage = {
    usedBytes: 0,
    reclaimableBytes: 0,
    anonBytes: null,
    shmemBytes: null,
    kernelBytes: null,
  };
  readonly #reading: Reading;
  #group: MemoryGroup | undefined;
  /** The agent's cgroup is also the guardian's: what it charges is not the agent's alone. */
  #shared = false;
  #locateFailure: Degraded | undefined;
  #locatedMs = Number.NEGATIVE_INFINITY;
  #openedMs = Number.NEGATIVE_INFINITY;
  #limitsMs = Number.NEGATIVE_INFINITY;
  readonly #doubt = new RssDoubt();
  #lastOomKills: number | null = null;

  constructor(options: AgentMemoryOptions) {
    this.#options = options;
    this.#reading = {
      ...this.#usage,
      atMs: 0,
      limitBytes: options.machineBytes,
      limitSource: 'machine',
      usageSource: 'rss',
      rssBytes: 0,
      heap: null,
      others: [],
    };
  }

  /**
   * Reads now. The object returned is the same each time: take out what is to be kept.
   * @throws SpillwayError `read` or `malformed` when neither cgroup nor processes can be read, or when their RSS adds up to
   *   what cannot be
   */
  read(nowMs: number): Reading {
    if (nowMs - this.#locatedMs >= RELOCATE_EVERY_MS) this.#locate(nowMs);
    const group = this.#group;
    let usage: Usage | undefined;
    if (group) {
      try {
        if (nowMs - this.#limitsMs >= RELIMIT_EVERY_MS) {
          group.readLimits();
          this.#limitsMs = nowMs;
        }
        // nothing of it would be used: what others charge to a shared group says nothing about the agent
        if (!this.#shared || group.limited) usage = group.read(nowMs);
      } catch (error) {
        this.#drop(error);
      }
    }
    return this.#judge(usage, nowMs);
  }

  /**
   * Bytes in use by the source of the last reading, without breakdown: one system call. `null` when only a whole reading
   * can tell.
   */
  glance(): number | null {
    try {
      if (this.#reading.usageSource !== 'rss') return this.#group?.glance() ?? null;
      this.#options.rss.read(this.#usage);
      return this.#usage.usedBytes;
    } catch {
      return null; // the whole reading that follows says what is wrong
    }
  }

  /** The limit of the last reading, in bytes. */
  get limitBytes(): number {
    return this.#reading.limitBytes;
  }

  /** Use is the sum of RSS, as of the last reading. */
  get countsRss(): boolean {
    return this.#reading.usageSource === 'rss';
  }

  /** The agent's cgroup is also the guardian's, so that others are charged to it, too. */
  get shared(): boolean {
    return this.#shared;
  }

  /** OOM kills the kernel counted for the agent's cgroup; `null` where it does not tell. */
  readOomKills(): number | null {
    try {
      this.#lastOomKills = this.#group?.oomKills() ?? this.#lastOomKills;
    } catch {
      // the group went with its processes: what was last seen stands
    }
    return this.#lastOomKills;
  }

  /** Why better sources are not in use, each with its hint; empty when all is well. */
  degraded(): Degraded[] {
    const reasons: Degraded[] = [];
    if (this.#locateFailure !== undefined) reasons.push(this.#locateFailure);
    const { limitSource, usageSource, limitBytes } = this.#reading;
    if (limitSource === 'machine')
      reasons.push({
        code: 'no_memory_limit',
        message: 'the agent has no memory limit: the memory of the machine counts as its limit',
        hint: 'set a limit on its container, or --limit',
      });
    if (usageSource === 'rss' && this.#locateFailure === undefined)
      reasons.push({
        code: 'shared_cgroup',
        message: 'the agent shares its cgroup with other processes: its usage is the RSS of its own',
        hint: 'give it a cgroup of its own',
      });
    const { limit: kernel, limitName = 'limit', skipped = [] } = this.#group ?? {};
    if (limitSource === 'option' && typeof kernel === 'number' && kernel < limitBytes)
      reasons.push({
        code: 'limit_above_kernel',
        message: `--limit ${formatBytes(limitBytes)} is above the kernel's ${limitName} of ${formatBytes(kernel)}: the kernel ${limitName === 'memory.high' ? 'throttles' : 'kills'} first`,
        hint: 'lower --limit',
      });
    reasons.push(...skipped);
    return reasons;
  }

  close(): void {
    this.#group?.close();
    this.#group = undefined;
  }

  #judge(group: Usage | undefined, nowMs: number): Reading {
    const { limitBytes, downwardLimitBytes, machineBytes, privateGroup } = this.#options;
    const kernelLimit = group === undefined ? undefined : this.#group?.limit;
    const version: UsageSource & LimitSource = this.#group?.version === 'v1' ? 'cgroup-v1' : 'cgroup-v2';
    const reading = this.#reading;
    reading.limitName = undefined;
    if (limitBytes !== undefined && !(privateGroup && group)) {
      reading.limitBytes = limitBytes;
      reading.limitSource = 'option';
    } else if (typeof kernelLimit === 'number') {
      reading.limitBytes = kernelLimit;
      reading.limitSource = version;
      reading.limitName = this.#group?.limitName;
    } else if (downwardLimitBytes !== undefined) {
      reading.limitBytes = downwardLimitBytes;
      reading.limitSource = 'downward-api';
    } else {
      reading.limitBytes = machineBytes;
      reading.limitSource = 'machine';
    }
    // a shared cgroup counts only against its own limit: that is the one whose kill takes the agent, too
    const counts = group !== undefined && (!this.#shared || reading.limitSource === version);
    if (counts) reading.usageSource = version;
    else {
      this.#options.rss.read(this.#usage);
      reading.usageSource = 'rss';
    }
    const usage = counts && group ? group : this.#usage;
    reading.usedBytes = usage.usedBytes;
    reading.reclaimableBytes = usage.reclaimableBytes;
    reading.anonBytes = usage.anonBytes;
    reading.shmemBytes = usage.shmemBytes;
    reading.kernelBytes = usage.kernelBytes;
    reading.atMs = nowMs;
    if (!counts) this.#doubt.check(reading, this.#options.rss);
    return reading;
  }

  /** Opens the agent's group, again when it moved to another, or when it could not be opened before. */
  #locate(nowMs: number): void {
    this.#locatedMs = nowMs;
    const { procRoot, pid, privateGroup } = this.#options;
    try {
      const { version, path } = groupOf(procRoot, pid);
      const same = this.#group?.path === path && this.#group.version === version;
      if (same && (this.#group?.skipped.length === 0 || nowMs - this.#openedMs < REOPEN_EVERY_MS)) return;
      // v1 lists a process in the root from the start of its exit on, while its memory and its death still belong to its group
      if (this.#group?.version === 'v1' && path === '/') return;
      const place = locateCgroup(procRoot, pid);
      if (!same) this.close();
      const group = new MemoryGroup(place, this.#options);
      this.close();
      this.#group = group;
      this.#openedMs = nowMs;
      this.#limitsMs = nowMs;
      // the root group is the whole machine's, never one process's
      this.#shared = !privateGroup && (place.path === '/' || this.#isOwn(place));
      this.#locateFailure = undefined;
    } catch (error) {
      if (this.#group === undefined) this.#locateFailure = unreadable(error);
    }
  }

  #isOwn(place: CgroupPlace): boolean {
    const own = groupOf(this.#options.procRoot, 'self');
    return own.version === place.version && own.path === place.path;
  }

  #drop(error: unknown): void {
    this.close();
    this.#locateFailure = unreadable(error);
  }
}

/** Mostly the group of another user's process. */
function unreadable(error: unknown): Degraded {
  const given = error instanceof SpillwayError ? error.hint : undefined;
  return {
    code: 'cgroup_unreadable',
    message: `the agent's cgroup is unusable: ${messageOf(error)}`,
    hint:
      given ??
      (errnoOf(error) === 'EACCES'
        ? 'run with the same uid and gid as the agent'
        : 'make the cgroup of the agent visible to the guardian'),
  };
}
