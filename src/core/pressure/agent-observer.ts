import { messageOf, SpillwayError } from '../lib/errors.ts';
import type { Constraint, ConstraintSource } from '../model/constraint.ts';
import type { Finding } from '../model/events.ts';
import type { ExitFacts, Family, ProcessShare, TreeSample } from '../model/process.ts';
import { type Reading, unreclaimableBytes } from '../model/reading.ts';
import type { AgentProcess, Clock, Exporters, FindAgent, Remediation } from '../ports/ports.ts';
import { OomKillCounter } from '../report/oom-kill-counter.ts';
import type { Judge } from './judge.ts';
import { atLeast } from './level.ts';
import { ProcessTreePoller } from './process-tree-poller.ts';
import { SamplingInterval, type SamplingOptions } from './sampling-interval.ts';

export interface AgentObserverDeps {
  options: SamplingOptions;
  findAgent: FindAgent;
  /** What may run out beside the agent's memory. */
  constraints: readonly ConstraintSource[];
  clock: Clock;
  exporters: Pick<Exporters, 'log' | 'readFailed' | 'restarted'>;
  /** The agent's heap against its own limit, while that is near. */
  remediation: Pick<Remediation, 'heap'>;
  /** Gets the agent's CPU; under pressure, processes are sampled as often as that costs little. */
  judge: Pick<Judge, 'level' | 'load'>;
}

/** What one round of the loop has seen. */
export interface Observation {
  agent: AgentProcess;
  reading: Reading;
  /** The biggest 20, biggest first. */
  processes: readonly ProcessShare[];
  /** All processes of the agent, as last sampled. */
  pids: readonly number[];
  /** What they use of the CPU, in cores, as last sampled; `null` where that is unknown. */
  cpuCores: number | null;
  /** Whether the reading may be judged: what a kill returns is no recovery, it may be the agent itself that is dying. */
  valid: boolean;
  /** A child of the agent that the kernel killed. */
  childKilled: Finding | undefined;
}

const NONE: readonly Constraint[] = [];
const NO_FAMILY: Family = { processes: [], pids: [] };
const SEARCH_EVERY_MS = 200;
/** An agent's processes are sampled first after this time: the first sample starts two programs, which takes 10 ms of the start. */
const FIRST_SAMPLE_MS = 100;
/** A killed process is still listed while it returns its memory; who is missing after this time was killed. */
const GONE_AFTER_MS = 250;

/** Finds the agent, reads it until its end, and finds the next one. It judges nothing. */
export class AgentObserver {
  readonly #deps: AgentObserverDeps;
  readonly #kills = new OomKillCounter();
  readonly #interval: SamplingInterval;
  readonly #tree: ProcessTreePoller;
  #agent: AgentProcess | undefined;
  #reading: Reading | undefined;
  /** Why there is no agent. */
  #absence = 'no agent found yet';
  #found = 0;
  #rounds = 0;
  #closed = false;
  #searchedMs = Number.NEGATIVE_INFINITY;
  #validBytes = 0;

  constructor(deps: AgentObserverDeps) {
    const { options, clock, exporters, judge } = deps;
    this.#deps = deps;
    this.#interval = new SamplingInterval(options);
    this.#tree = new ProcessTreePoller({
      now: () => clock.now(),
      looksEveryMs: () => (this.#reading?.usageSource === 'rss' ? 0 : this.#interval.intervalMs),
      pressed: () => atLeast(judge.level, 'warning'),
      seen({ cpuCores }) {
        if (cpuCores !== null) judge.load(cpuCores, clock.now());
      },
      failed: () => exporters.readFailed('processes'),
    });
  }

  get agent(): AgentProcess | undefined {
    return this.#agent;
  }
  /** The last one of this agent. */
  get reading(): Reading | undefined {
    return this.#reading;
  }
  /** Its processes as last sampled. */
  get tree(): TreeSample | undefined {
    return this.#tree.latest;
  }
  /** Until the next reading, in milliseconds. */
  get intervalMs(): number {
    return this.#interval.intervalMs;
  }
  /** Attempts to read, whether there was an agent and whether it could be read. */
  get rounds(): number {
    return this.#rounds;
  }
  /** Kills in the agent's cgroup since the guardian started. */
  get oomKills(): number {
    return this.#kills.total;
  }

  /** Whether use alone shows that nothing has changed since the last reading. */
  isCalm(nowMs: number): boolean {
    const reading = this.#reading;
    if (!reading || !this.#agent || this.#kills.pending) return false;
    if (!this.#agent.alive()) return false; // an exit is handled at once: its cgroup may soon be gone
    if (reading.heap !== this.#deps.remediation.heap) return false; // the runtime has reported a new value
    if (!this.#sameConstraints(reading.others, nowMs)) return false;
    const used = this.#agent.usageOnly();
    const pressed = atLeast(this.#deps.judge.level, 'warning');
    return used !== null && this.#interval.glanced(used, reading, nowMs, pressed);
  }

  /** Looks for an agent while there is none. @returns the one found now */
  search(nowMs: number): AgentProcess | undefined {
    if (this.#agent || nowMs - this.#searchedMs < SEARCH_EVERY_MS) return undefined;
    this.#searchedMs = nowMs;
    const { findAgent, exporters, clock } = this.#deps;
    const found = findAgent(this.#found);
    if (typeof found === 'string') {
      this.#absence = found;
      return undefined;
    }
    this.#found++;
    const { pid, name, runtime, restarts } = found.info;
    if (restarts > 0) exporters.restarted();
    this.#agent = found;
    this.#tree.follow(found);
    clock.setTimer(() => found === this.#agent && this.sampleProcesses(), FIRST_SAMPLE_MS);
    exporters.log('info', `guarding pid ${pid} (${name}, ${runtime})`);
    return found;
  }

  /** Reads the agent. @returns why it cannot be read */
  observe(nowMs: number): Observation | string {
    this.#rounds++;
    const { clock, exporters, remediation } = this.#deps;
    const agent = this.#agent;
    if (!agent) return this.#absence;
    let reading: Reading;
    try {
      reading = agent.read(nowMs); // a fresh object: what follows completes it
      reading.rssBytes = this.tree?.rssBytes ?? 0;
      reading.heap = remediation.heap;
      reading.others = this.#constraints(nowMs);
    } catch (error) {
      this.#interval.lost();
      exporters.readFailed(error instanceof SpillwayError ? error.code : 'read');
      return messageOf(error);
    }
    this.#reading = reading;
    this.#interval.read(reading, agent, nowMs);
    const kills = this.#kills;
    const family = this.tree ?? NO_FAMILY;
    const waited = kills.pending;
    const childKilled = kills.settle(agent, family, nowMs);
    const survived = waited && !kills.pending;
    if (kills.count(agent.oomKills(), nowMs, family))
      clock.setTimer(() => !this.#closed && this.#tree.sample(), GONE_AFTER_MS);
    const unreclaimable = unreclaimableBytes(reading);
    const valid = !kills.pending || survived || unreclaimable >= this.#validBytes;
    if (valid) this.#validBytes = unreclaimable;
    const { processes, pids } = family;
    const cpuCores = this.tree?.cpuCores ?? null;
    return { agent, reading, processes, pids, cpuCores, valid, childKilled };
  }

  /** Samples the agent's processes where that is due. */
  sampleProcesses(): void {
    if (!this.#closed) this.#tree.sampleIfDue();
  }

  /** How the agent has ended; the kernel's kills for it, `null` where the kernel does not count them. */
  exitOf(agent: AgentProcess, nowMs: number): { exit: ExitFacts; oomKillsDelta: number | null } {
    this.#kills.count(agent.oomKills(), nowMs, NO_FAMILY);
    return { exit: agent.exit(), oomKillsDelta: this.#kills.takeForDeath() };
  }

  /** The agent is gone: what was known of it is no longer true. @param absence what is said until there is another */
  leave(absence: string): void {
    this.#agent?.close();
    this.#agent = undefined;
    this.#absence = absence;
    this.#searchedMs = Number.NEGATIVE_INFINITY;
    this.#reading = undefined;
    this.#tree.follow(undefined);
    this.#interval.lost();
  }

  /** The guardian shuts down: what was last known stands, and nothing is sampled any more. */
  close(): void {
    this.#closed = true;
    this.#agent?.close();
  }

  /** The same objects as before where nothing has changed. */
  #constraints(nowMs: number): readonly Constraint[] {
    let read = NONE;
    for (const source of this.#deps.constraints) {
      const constraint = source.read(nowMs);
      if (constraint !== null) read = [...read, constraint];
    }
    return read;
  }

  /** The same at no cost: nothing is made at each glance. */
  #sameConstraints(before: readonly Constraint[], nowMs: number): boolean {
    let count = 0;
    for (const source of this.#deps.constraints) {
      const constraint = source.read(nowMs);
      if (constraint !== null && constraint !== before[count++]) return false;
    }
    return count === before.length;
  }
}
