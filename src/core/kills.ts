import type { Finding } from './judge.ts';
import { formatBytes } from './units.ts';

/** One process of the agent, for reports. */
export interface ProcessShare {
  pid: number;
  name: string;
  rssBytes: number;
}

/** After a kill in its cgroup, the agent is dead or seen to be dying within this time; else it was a child that died. */
const SETTLES_MS = 500;

/**
 * The kernel's count of OOM kills in the agent's cgroup, and whom each belongs to: the agent, whose death follows at
 * once, or a child of it, which nobody else would report.
 */
export class Kills {
  /** Kills seen since the guardian started. */
  total = 0;
  #counter: number | null = null;
  #pending: { atMs: number; count: number; before: ProcessShare[] } | undefined;

  /**
   * Takes the counter as it stands now; `processes` are the agent's as last seen.
   * @returns true when there are new kills
   */
  count(counter: number | null, nowMs: number, processes: ProcessShare[]): boolean {
    if (counter === null) return false;
    const before = this.#counter ?? counter;
    this.#counter = counter;
    const added = counter - before;
    if (added <= 0) return false;
    this.total += added;
    const pending = this.#pending;
    this.#pending = {
      atMs: nowMs,
      count: added + (pending?.count ?? 0),
      before: pending?.before ?? processes,
    };
    return true;
  }

  /** Whether somebody was killed just now and it is not yet clear who. */
  get pending(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * The kill of a child, once it is clear that the agent lives on. An agent that is killed may take seconds to give back what
   * it holds, and runs until then as far as `/proc` tells: `dying` looks closer.
   */
  settle(
    agentPid: number,
    processes: ProcessShare[],
    nowMs: number,
    dying: () => boolean,
  ): Finding | undefined {
    const pending = this.#pending;
    if (!pending || nowMs - pending.atMs < SETTLES_MS || dying()) return undefined;
    this.#pending = undefined;
    const left = new Set(processes.map(({ pid }) => pid));
    const gone = pending.before.filter(({ pid }) => !left.has(pid)).slice(0, 5);
    const who = gone
      .map(({ pid, name, rssBytes }) => `${name} (pid ${pid}, ${formatBytes(rssBytes)})`)
      .join(', ');
    const what = pending.count === 1 ? 'a process' : `${pending.count} processes`;
    return {
      reason: 'AgentOOMKilled',
      type: 'Warning',
      note: `The kernel's OOM killer ended ${what} in the agent's cgroup${who && `: ${who}`}. The agent itself (pid ${agentPid}) lives: a child of it was killed.`,
    };
  }

  /**
   * Kills that belong to a death seen now; `null` where the kernel did not tell. What comes next is another life, perhaps
   * in another cgroup.
   */
  takeForDeath(): number | null {
    const count = this.#counter === null ? null : (this.#pending?.count ?? 0);
    this.#pending = undefined;
    this.#counter = null;
    return count;
  }
}
