import { formatBytes } from '../lib/units.ts';
import type { Finding } from '../model/events.ts';
import type { Family, ProcessShare } from '../model/process.ts';
import type { AgentProcess } from '../ports/ports.ts';

/** After a kill in its cgroup, the agent is dead or seen to be dying within this time; else it was a child that died. */
const SETTLES_MS = 500;
/** Kills of children that follow each other are reported together, this often. */
const TELL_EVERY_MS = 5000;
const NAMED = 5;

/**
 * The kernel's count of OOM kills in the agent's cgroup, and whom each belongs to: the agent, whose death follows at
 * once, or a child of it, which nobody else would report.
 */
export class OomKillCounter {
  #total = 0;
  #counter: number | null = null;
  #pending: { atMs: number; count: number; before: Family } | undefined;
  #untold: { count: number; gone: ProcessShare[] } = { count: 0, gone: [] };
  #toldMs = Number.NEGATIVE_INFINITY;

  /** Kills seen since the guardian started. */
  get total(): number {
    return this.#total;
  }

  /**
   * Takes the counter as it stands now; `family` is the agent's as last seen.
   * @returns true when it is to be found out who was killed; kills that follow within 500 ms are found out about together
   */
  count(counter: number | null, nowMs: number, family: Family): boolean {
    if (counter === null) return false;
    const before = this.#counter ?? counter;
    this.#counter = counter;
    const added = counter - before;
    if (added <= 0) return false;
    const pending = this.#pending;
    // from the first: a storm of kills must not put off what is known after 500 ms
    if (pending) pending.count += added;
    else this.#pending = { atMs: nowMs, count: added, before: family };
    return !pending;
  }

  /** Whether somebody was killed just now and it is not yet clear who. */
  get pending(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * The kill of a child, once it is clear that the agent lives on. An agent that is killed may take seconds to return what
   * it holds, and runs until then as far as `/proc` tells: `dying` looks closer.
   * Where others than the agent are charged to its cgroup, a kill there is one of its own only when one of its processes
   * is gone.
   */
  settle(
    agent: Pick<AgentProcess, 'info' | 'dying' | 'sharesGroup'>,
    family: Family,
    nowMs: number,
  ): Finding | undefined {
    const pending = this.#pending;
    if (pending && nowMs - pending.atMs >= SETTLES_MS && !agent.dying()) {
      this.#pending = undefined;
      const left = new Set(family.pids);
      const goneCount = pending.before.pids.filter((pid) => !left.has(pid)).length;
      const count = agent.sharesGroup ? Math.min(pending.count, goneCount) : pending.count;
      this.#total += count;
      this.#untold.count += count;
      if (count > 0) this.#untold.gone.push(...pending.before.processes.filter(({ pid }) => !left.has(pid)));
    }
    const { count, gone } = this.#untold;
    if (count === 0 || nowMs - this.#toldMs < TELL_EVERY_MS) return undefined;
    this.#untold = { count: 0, gone: [] };
    this.#toldMs = nowMs;
    const who = gone
      .slice(0, NAMED)
      .map(({ pid, name, rssBytes }) => `${name} (pid ${pid}, ${formatBytes(rssBytes)})`)
      .join(', ');
    const what = count === 1 ? 'a child process' : `${count} child processes`;
    return {
      reason: 'AgentOOMKilled',
      note: `The kernel's OOM killer killed ${what} in the agent's cgroup${who && `: ${who}`}. The agent itself (pid ${agent.info.pid}) is still running.`,
    };
  }

  /**
   * Kills that belong to a death seen now; `null` where the kernel did not tell. What comes next is another life, perhaps
   * in another cgroup.
   */
  takeForDeath(): number | null {
    const count = this.#counter === null ? null : (this.#pending?.count ?? 0);
    this.#total += count ?? 0;
    this.#pending = undefined;
    this.#counter = null;
    return count;
  }
}
