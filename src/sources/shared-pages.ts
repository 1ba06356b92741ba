import { statusBytes } from '../core/proc/proc-text.ts';
import { createYielder } from './breath.ts';
import { readProc } from './proc-fs.ts';
import type { FollowedProcess } from './rss-reader.ts';

/**
 * Pages change hands without any sign (a child that writes to one gets its own): what was measured is measured again. While
 * all of it together, shared or not, is far from the limit, seldom.
 */
const AGAIN_MS = 5000;
const AGAIN_FAR_MS = 30_000;
/** CPU to spend on it: 1 % of a core, and this much ahead. */
const SHARE = 0.01;
const AHEAD_MS = 100;

interface Measured {
  identity: number;
  /** `null` where it may not be asked. */
  overBytes: number | null;
  atMs: number;
}

/**
 * How much of the RSS of a tree of processes counts pages again that another process has, too: those of a server forked after
 * it loaded its program, and shared memory. `smaps_rollup` tells, to the same uid and gid; the kernel walks all pages of the
 * process for it: 0.1 ms for a small one, 3 ms with 500 MB, so it is asked for every few seconds and at most 1 % of a core.
 */
export class SharedPages {
  readonly #procRoot: string;
  #measured = new Map<number, Measured>();
  #exact = true;
  #budgetMs = AHEAD_MS;
  #paidMs = Number.NEGATIVE_INFINITY;

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /** Whether each page is counted once: not where a process may not be asked about, or was not yet. */
  get exact(): boolean {
    return this.#exact;
  }

  /**
   * Takes over a look at the processes, biggest first, and measures what is new and what is due, within the budget.
   * @param far their RSS adds up to less than half the limit, whatever they share
   * @returns the same processes with what to leave out of the RSS of each
   */
  async measure(
    processes: readonly FollowedProcess[],
    nowMs: number,
    far = false,
  ): Promise<FollowedProcess[]> {
    this.#budgetMs = Math.min(AHEAD_MS, this.#budgetMs + SHARE * Math.max(0, nowMs - this.#paidMs));
    this.#paidMs = nowMs;
    const before = this.#measured;
    this.#measured = new Map();
    for (const { pid, identity } of processes) {
      const known = before.get(pid);
      if (known?.identity === identity) this.#measured.set(pid, known);
    }
    // one alone shares with nobody of its own
    if (processes.length > 1) await this.#measureDue(processes, nowMs, far ? AGAIN_FAR_MS : AGAIN_MS);
    this.#exact =
      processes.length <= 1 ||
      processes.every(({ pid }) => (this.#measured.get(pid)?.overBytes ?? null) !== null);
    return processes.map((each) => ({ ...each, overBytes: this.#measured.get(each.pid)?.overBytes ?? 0 }));
  }

  async #measureDue(processes: readonly FollowedProcess[], nowMs: number, againMs: number): Promise<void> {
    const breathe = createYielder();
    const fresh = processes.filter(({ pid }) => !this.#measured.has(pid));
    const known = processes.filter(({ pid }) => this.#measured.has(pid));
    let shares = false;
    for (const each of [...fresh, ...known]) {
      const last = this.#measured.get(each.pid);
      // with a new one to share with, all that was measured before is out of date
      if (last && !shares && nowMs - last.atMs < againMs) continue;
      if (this.#budgetMs <= 0) break;
      const before = process.cpuUsage();
      const overBytes = this.#over(each.pid);
      const { user, system } = process.cpuUsage(before);
      this.#budgetMs -= (user + system) / 1000;
      shares ||= !last && (overBytes ?? 0) > 0;
      this.#measured.set(each.pid, { identity: each.identity, overBytes, atMs: nowMs });
      await breathe();
    }
  }

  /** `null` where it may not be asked; 0 for one that is gone. */
  #over(pid: number): number | null {
    const rollup = readProc(`${this.#procRoot}/${pid}/smaps_rollup`);
    const status = readProc(`${this.#procRoot}/${pid}/status`);
    if (status.kind !== 'value') return 0;
    if (rollup.kind !== 'value' || !rollup.value.includes('Pss_Anon')) return null;
    const own = statusBytes(rollup.value, 'Pss_Anon') + statusBytes(rollup.value, 'Pss_Shmem');
    return Math.max(0, statusBytes(status.value, 'RssAnon') + statusBytes(status.value, 'RssShmem') - own);
  }
}
