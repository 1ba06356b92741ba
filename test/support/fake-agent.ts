import type { HeapFacts } from '../../src/core/model/heap.ts';
import type { ExitFacts, ProcessShare, TreeSample } from '../../src/core/model/process.ts';
import type { Reading } from '../../src/core/model/reading.ts';
import type { AgentInfo, Runtime } from '../../src/core/model/status.ts';
import type { AgentProcess } from '../../src/core/ports/ports.ts';
import { MiB, readingOf } from './reading.ts';

/** An agent process made of numbers, in MiB: what it holds, what the kernel does to it and how it ends are a test's to say. */
export class FakeAgent implements AgentProcess {
  liveMiB = 60;
  garbageMiB = 0;
  /** Neither heap nor garbage. */
  otherMiB = 20;
  /** Page cache, which the kernel takes back by itself. */
  cacheMiB = 0;
  /** Of a tool that it started. */
  toolMiB = 0;
  /** `oom_score_adj` of that tool. */
  toolAdjustment = 0;
  limitMiB = 512;
  /** Charged, and free inside the heap; part of what is neither. */
  freeHeapMiB = 0;
  heapLimitMiB: number | null = null;
  readonly heapLimitSet = false;
  /** Requests being answered. */
  inFlight: number | null = 0;
  /** At its gate; `null` where it has none. */
  waiting: number | null = null;
  /** CPU use of all its processes. */
  cpuCores = 0.5;

  /** Kills by the kernel in its cgroup. */
  kills: number | null = 0;
  sharesGroup = false;
  /** Killed, and still running: the kernel takes its memory first. */
  slowDeath = false;
  dead: ExitFacts | undefined;
  closed = false;

  /** Why nothing can be read. */
  failure: string | undefined;
  /** Whole readings so far. */
  reads = 0;

  /** Signals that it got. */
  readonly signals: string[] = [];
  /** What it does about SIGTERM. */
  onSigterm: () => void = () => this.dies();
  handlesSigterm = true;
  /** The process that SIGTERM was for has ended, whatever has become of the agent's own. */
  served = false;
  /** It was started with `--inspect`. */
  inspectorOpen = true;

  info: AgentInfo;
  worker: AgentProcess['worker'];
  /** The processes that it started, without the tool. */
  children: ProcessShare[] = [];
  /** Follows as another container, not as a restart of the one before. */
  anotherContainer = false;

  constructor(pid = 7, runtime: Runtime = 'node') {
    this.info = { pid, name: 'agent.js', runtime, restarts: 0 };
    this.worker = { pid, runtime };
  }

  get heldMiB(): number {
    return this.liveMiB + this.garbageMiB + this.otherMiB + this.toolMiB;
  }
  /** So much, most of it live. */
  set heldMiB(mib: number) {
    this.garbageMiB = 0;
    this.toolMiB = 0;
    this.otherMiB = Math.min(20, mib);
    this.liveMiB = mib - this.otherMiB;
  }
  get heapLimitBytes(): number | null {
    return this.heapLimitMiB && this.heapLimitMiB * MiB;
  }
  /** By its mappings, as `/proc` tells them; in bytes. */
  heapFromOutside: () => number | null = () => null;
  heap(): HeapFacts {
    const usedBytes = (this.liveMiB + this.garbageMiB) * MiB;
    const { heapLimitBytes: limitBytes } = this;
    const committedBytes = usedBytes + this.freeHeapMiB * MiB;
    return { usedBytes, committedBytes, limitBytes, limitedBytes: usedBytes, externalBytes: 0 };
  }

  dies(exit: ExitFacts = { exitCode: 0, signal: null }): void {
    this.dead = exit;
    this.heldMiB = 0;
  }

  alive = () => this.dead === undefined;
  dying = () => this.slowDeath;
  read = (nowMs: number): Reading => {
    if (this.failure !== undefined) throw new Error(this.failure);
    this.reads++;
    return { ...readingOf(this.heldMiB, this.limitMiB, this.cacheMiB), atMs: nowMs };
  };
  usageOnly = (): number | null => (this.heldMiB + this.cacheMiB) * MiB;
  oomKills = () => this.kills;
  degraded = () => [];
  tree = async (): Promise<TreeSample> => {
    const { pid, name } = this.info;
    const own = { pid, name, rssBytes: (this.heldMiB - this.toolMiB) * MiB };
    const tool = { pid: pid + 1000, name: 'tool', rssBytes: this.toolMiB * MiB };
    const all = [own, ...(this.toolMiB > 0 ? [tool] : []), ...this.children];
    const processes = [...all].sort((a, b) => b.rssBytes - a.rssBytes);
    const pids = processes.map((each) => each.pid);
    const rssBytes = this.heldMiB * MiB;
    const { cpuCores } = this;
    return { rssBytes, cpuCores, count: pids.length, processes: processes.slice(0, 20), pids };
  };
  rssBytes = () => this.heldMiB * MiB;
  treeIntervalMs = () => 1000;
  exit = () => this.dead ?? { exitCode: null, signal: null };
  close = () => {
    this.closed = true;
  };
}
