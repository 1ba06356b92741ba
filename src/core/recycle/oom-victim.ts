import type { ProcessShare } from '../model/process.ts';

/** By this share of the agent's memory another process has to exceed it: what is read of them is up to seconds old. */
const SURELY = 0.1;
/** Growth of all processes together below this tells nothing of who fills what is left. */
const LEAST_GROWTH_BYTES = 2 ** 20;
/** An interpreter without a file of a program bears its own name, whatever it runs. */
const NAMELESS = /^(?:node|nodejs|bun|deno|python[\d.]*|pypy[\d.]*|java|sh|bash)$/;

export interface OomVictimInput {
  /** The process that would be ended gracefully. */
  agentPid: number;
  /** The agent's biggest processes, biggest first, as last looked at. */
  processes: readonly ProcessShare[];
  limitBytes: number;
  /** Until the limit, in bytes. */
  leftBytes: number;
}

/**
 * Whom the kernel would end at the limit: the process with the most memory, to which its `oom_score_adj` adds so many
 * thousandths of the limit (proc(5)); Chromium gives its renderers 300.
 */
export class OomVictim {
  readonly #adjustmentOf: (pid: number) => number;
  #seen: readonly ProcessShare[] = [];
  #growth = new Map<number, number>();
  #adjustments = new Map<number, number>();

  /** @param adjustmentOf `oom_score_adj` of a process, 0 where it cannot be read */
  constructor(adjustmentOf: (pid: number) => number) {
    this.#adjustmentOf = adjustmentOf;
  }

  /** Whether it is surely a tool of the agent, and not the agent or a worker of its program. */
  isTool({ agentPid, processes, limitBytes, leftBytes }: OomVictimInput): boolean {
    if (processes !== this.#seen) this.#look(processes, agentPid);
    const growth = [...this.#growth.values()].reduce((sum, bytes) => sum + bytes, 0);
    const points = (pid: number, rssBytes: number) => {
      const grows = growth < LEAST_GROWTH_BYTES ? 0 : (this.#growth.get(pid) ?? 0) / growth;
      const adjustment = (this.#adjustments.get(pid) ?? 0) / 1000;
      return rssBytes + grows * Math.max(0, leftBytes) + adjustment * limitBytes;
    };
    const agent = processes.find(({ pid }) => pid === agentPid);
    const isOwn = ({ pid, name }: ProcessShare) =>
      pid === agentPid || (name === agent?.name && !NAMELESS.test(name));
    // beyond those that are listed it holds no more than the last of them
    const unlisted = processes.at(-1)?.rssBytes ?? Number.POSITIVE_INFINITY;
    const own = agent
      ? { points: Number.NEGATIVE_INFINITY, bytes: 0 }
      : { points: points(agentPid, unlisted), bytes: unlisted };
    let others = Number.NEGATIVE_INFINITY;
    for (const each of processes) {
      const its = points(each.pid, each.rssBytes);
      if (!isOwn(each)) others = Math.max(others, its);
      else if (its > own.points) Object.assign(own, { points: its, bytes: each.rssBytes });
    }
    return others - own.points > SURELY * own.bytes;
  }

  /** What grew since then is not asked for: the next look is the first. */
  reset(): void {
    this.#seen = [];
  }

  #look(processes: readonly ProcessShare[], agentPid: number): void {
    const before = new Map(this.#seen.map(({ pid, rssBytes }) => [pid, rssBytes]));
    const grown = ({ pid, rssBytes }: ProcessShare): [number, number] => [
      pid,
      before.size === 0 ? 0 : Math.max(0, rssBytes - (before.get(pid) ?? 0)),
    ];
    this.#growth = new Map(processes.map(grown));
    const pids = [agentPid, ...processes.map(({ pid }) => pid)];
    this.#adjustments = new Map(pids.map((pid) => [pid, this.#adjustmentOf(pid)]));
    this.#seen = processes;
  }
}
