import type { ConstraintSource } from '../../src/core/model/constraint.ts';
import type { GuardianEvent } from '../../src/core/model/events.ts';
import type { GcRecord } from '../../src/core/model/gc-record.ts';
import type { Collection, GcWay, HeapFacts, Profile, Site } from '../../src/core/model/heap.ts';
import type { ExitFacts, TreeSample } from '../../src/core/model/process.ts';
import type { Runtime } from '../../src/core/model/status.ts';
import type { AgentProcess, Clock, Exporters } from '../../src/core/ports/ports.ts';
import type { RuntimeClient } from '../../src/core/ports/runtime-client.ts';
import { RuntimeClientError } from '../../src/core/ports/runtime-client.ts';
import type { ClientConnections } from '../../src/core/proc/client-connections.ts';
import type { RecycleMode } from '../../src/core/recycle/plan.ts';
import { HistoryStore } from '../../src/core/report/history.ts';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import { startRecycle } from '../../src/remedies/drain.ts';
import { Recycler } from '../../src/remedies/recycler.ts';
import { PressureRemediation } from '../../src/remedies/remediation.ts';
import type { SessionOptions } from '../../src/remedies/session-deps.ts';
import { LoopStory } from './guardian-of.ts';
import { DEFAULTS, MiB, readingOf } from './story.ts';

/** A clock that moves only when told to; all that a timer sets going runs before the next one. */
export class StoryClock implements Clock {
  nowMs = 0;
  #timers: { atMs: number; fn: () => void }[] = [];
  #ids = 0;
  now = () => this.nowMs;
  wallMs = () => this.nowMs + Date.parse('2026-01-01T00:00:00Z');
  newId = () => `id-${++this.#ids}`;
  setTimer = (fn: () => void, ms: number) => {
    const timer = { atMs: this.nowMs + ms, fn };
    this.#timers.push(timer);
    const cancel = () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
    return { cancel };
  };
  sleep = (ms: number) => new Promise<void>((resolve) => void this.setTimer(resolve, ms));
  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    await new Promise(setImmediate);
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.fn();
      await new Promise(setImmediate);
    }
    this.nowMs = end;
  }
}

/** An agent whose memory, in MiB, the story decides. */
export class StoryAgent implements AgentProcess {
  liveMiB = 60;
  garbageMiB = 0;
  /** Neither heap nor garbage. */
  otherMiB = 20;
  /** Of a tool that it started. */
  toolMiB = 0;
  /** `oom_score_adj` of that tool. */
  toolAdjustment = 0;
  /** By the kernel, of what it started. */
  kills = 0;
  limitMiB = 512;
  /** Charged, and free inside the heap; part of what is neither. */
  freeHeapMiB = 0;
  heapLimitMiB: number | null = null;
  inFlight: number | null = 0;
  dead: ExitFacts | undefined;
  /** Signals it got; what it does about SIGTERM. */
  readonly signals: string[] = [];
  onSigterm: () => void = () => this.dies();
  /** It was started with `--inspect`. */
  inspectorOpen = true;
  handlesSigterm = true;
  /** The process that SIGTERM was for has ended, whatever has become of the agent's own. */
  served = false;
  readonly heapLimitSet = false;
  readonly info;
  worker: AgentProcess['worker'];

  constructor(pid: number, runtime: Runtime = 'node') {
    this.info = { pid, name: 'agent.js', runtime, restarts: 0 };
    this.worker = { pid, runtime };
  }
  get heldMiB(): number {
    return this.liveMiB + this.garbageMiB + this.otherMiB + this.toolMiB;
  }
  get heapLimitBytes(): number | null {
    return this.heapLimitMiB && this.heapLimitMiB * MiB;
  }
  /** By its mappings, as `/proc` tells them; in bytes. */
  heapFromOutside: () => number | null = () => null;
  heap(): HeapFacts {
    const usedBytes = (this.liveMiB + this.garbageMiB) * MiB;
    const { heapLimitBytes: limitBytes } = this;
    return {
      usedBytes,
      committedBytes: usedBytes + this.freeHeapMiB * MiB,
      limitBytes,
      limitedBytes: usedBytes,
      externalBytes: 0,
    };
  }
  dies(exit: ExitFacts = { exitCode: 0, signal: null }): void {
    this.dead = exit;
    this.liveMiB = 0;
    this.garbageMiB = 0;
    this.otherMiB = 0;
    this.toolMiB = 0;
  }
  alive = () => this.dead === undefined;
  dying = () => false;
  read = (nowMs: number) => ({ ...readingOf(this.heldMiB, this.limitMiB), atMs: nowMs });
  usageOnly = () => this.heldMiB * MiB;
  oomKills = () => this.kills;
  degraded = () => [];
  tree = async (): Promise<TreeSample> => {
    const { pid, name } = this.info;
    const own = { pid, name, rssBytes: (this.heldMiB - this.toolMiB) * MiB };
    const tool = { pid: pid + 1000, name: 'tool', rssBytes: this.toolMiB * MiB };
    const processes = (this.toolMiB > 0 ? [own, tool] : [own]).sort((a, b) => b.rssBytes - a.rssBytes);
    const pids = processes.map((each) => each.pid);
    return { rssBytes: this.heldMiB * MiB, cpuCores: 0.5, count: pids.length, processes, pids };
  };
  rssBytes = () => this.heldMiB * MiB;
  treeIntervalMs = () => 1000;
  exit = () => this.dead ?? { exitCode: null, signal: null };
  close = () => {};
}

export type Call =
  | 'facts'
  | 'collect'
  | 'startProfile'
  | 'profile'
  | 'inFlight'
  | 'catchesSigterm'
  | 'release';

export const SITE: Site = {
  name: 'remember',
  kind: 'function',
  file: 'agent.js',
  line: 7,
  package: null,
  bytes: 90 * MiB,
  growthBytes: 80 * MiB,
};

/** The hand in a runtime, of plain objects; its faults are the story's. */
export class StoryReach implements RuntimeClient {
  readonly runtime: Runtime;
  readonly means = 'a story';
  readonly calls: { what: Call; atMs: number }[] = [];
  /** What a call does instead: throw this, or never answer. */
  faults: Partial<Record<Call, Error | 'hang'>> = {};
  /** How long each takes. */
  takesMs: Partial<Record<Call, number>> = { collect: 100, profile: 50 };
  profileStallMs = 50;
  sites: Site[] = [SITE];
  sigterm = true;
  maySignal: () => boolean = () => true;
  /** It is open because of a signal. */
  opened = false;
  #connected = false;
  /** Most calls that stop the agent at one time. */
  mostAtOnce = 0;
  #stopping = 0;
  readonly #clock: StoryClock;
  readonly #agent: StoryAgent;

  constructor(clock: StoryClock, agent: StoryAgent, runtime: Runtime = 'node') {
    this.#clock = clock;
    this.#agent = agent;
    this.runtime = runtime;
  }

  times(what: Call): number {
    return this.calls.filter((call) => call.what === what).length;
  }
  /** Calls after the last release. */
  get late(): Call[] {
    const last = this.calls.findLastIndex(({ what }) => what === 'release');
    return last < 0 ? [] : this.calls.slice(last + 1).map(({ what }) => what);
  }

  facts = () => this.#call('facts', () => this.#agent.heap());
  collect = (way: GcWay): Promise<Collection> => {
    const before = this.#agent.heap();
    return this.#call('collect', () => {
      this.#agent.garbageMiB = 0;
      const stallMs = this.takesMs.collect ?? 0;
      return { way, before, after: this.#agent.heap(), stallMs, workers: 0 };
    });
  };
  startProfile = () => this.#call('startProfile', () => {});
  profile = (): Promise<Profile> =>
    this.#call('profile', () => ({
      sites: this.sites,
      sampledBytes: 90 * MiB,
      growthBytes: 80 * MiB,
      sampledMs: 1000,
      stallMs: this.profileStallMs,
      file: { extension: '.heapprofile', content: '{}' },
    }));
  inFlight = () => this.#call('inFlight', () => this.#agent.inFlight);
  catchesSigterm = () => this.#call('catchesSigterm', () => this.sigterm);
  release = () =>
    this.#call('release', () => {
      this.#connected = false;
      this.opened = false;
    });

  async #call<T>(what: Call, result: () => T): Promise<T> {
    this.calls.push({ what, atMs: this.#clock.now() });
    const stops = what === 'collect' || what === 'profile';
    if (stops) this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#stopping);
    try {
      if (what !== 'release') this.#connect();
      const fault = this.faults[what];
      if (fault === 'hang') await new Promise(() => {});
      if (this.takesMs[what]) await this.#clock.sleep(this.takesMs[what]);
      if (fault instanceof Error) throw fault;
      return result();
    } finally {
      if (stops) this.#stopping--;
    }
  }

  #connect(): void {
    if (this.#connected) return;
    if (!this.#agent.inspectorOpen) {
      if (!this.maySignal())
        throw new RuntimeClientError('refused', 'not open', { deferred: true, passing: true });
      this.#agent.signals.push('SIGUSR1');
      this.opened = true;
    }
    this.#connected = true;
  }
}

export interface CareStoryOptions extends Partial<Pick<SessionOptions, 'gc' | 'profile' | 'gcStallBudget'>> {
  recycle?: RecycleMode;
  restarted?: boolean | null;
  turn?: number | null;
  /** Else it is wrap mode. Default true. */
  kubelet?: boolean;
  graceMs?: number;
  /** Least time in a level, in milliseconds. Default 5000. */
  hold?: number;
  /** Longest time between two readings. Default 50 ms. */
  sampleMax?: number;
  /** Beside memory. Default none. */
  constraints?: readonly ConstraintSource[];
}

/** A guardian with all its relief, on a clock of its own, and an agent made of numbers. */
export class CareStory {
  readonly clock = new StoryClock();
  readonly guardian: LoopStory;
  readonly remediation: PressureRemediation;
  readonly recycler: Recycler;
  readonly events: GuardianEvent[] = [];
  readonly deaths: PostMortem[] = [];
  readonly records: GcRecord[] = [];
  readonly logged: string[] = [];
  readonly recycled: string[] = [];
  /** When SIGTERM was sent. */
  readonly signalledMs: number[] = [];
  sigtermTarget: () => number | null = () => this.agent.info.pid;
  /** Readiness at each round that changed it. */
  readonly readiness: { atMs: number; ready: boolean }[] = [];
  /** All hands that were asked for; with words there is none. */
  readonly reaches: StoryReach[] = [];
  noReach: string | undefined;
  /** Made before each hand is given out. */
  prepare: (client: StoryReach) => void = () => {};
  stalledMs = 0;
  keep: () => Promise<string | null> = async () => '/records/profile-1.heapprofile';
  connections: () => Promise<ClientConnections>;
  onStart: () => void = () => {};
  agent: StoryAgent;
  #next: StoryAgent | undefined;

  constructor(options: CareStoryOptions = {}, agent = new StoryAgent(7)) {
    const { clock } = this;
    const { recycle = 'off', restarted = true, graceMs = 30_000, turn = null, kubelet = true } = options;
    const all = { ...DEFAULTS, gc: 'auto', gcStallBudget: 0.1, profile: 'auto', ...options } as const;
    this.agent = agent;
    this.#next = agent;
    this.connections = async () => {
      const { inFlight: total, worker } = this.agent;
      return { total, accepted: new Map([[worker.pid, total ?? 0]]), costMs: 0 };
    };
    this.recycler = new Recycler({
      mode: recycle,
      restarted,
      thresholds: all,
      turn,
      kubelet,
      endsAll: kubelet,
      oomAdjustment: (pid) => (pid === this.agent.info.pid ? 0 : this.agent.toolAdjustment),
      clock,
      sigtermTarget: () => this.sigtermTarget(),
      handlesSigterm: () => (this.agent.info.runtime === 'node' ? null : this.agent.handlesSigterm),
      start: (life, target, { alive, terminated, ...drain }) => {
        this.onStart();
        const send = () => {
          this.agent.signals.push(`SIGTERM to ${target}`);
          this.signalledMs.push(clock.now());
          this.agent.onSigterm();
        };
        expectSame(life, this.agent);
        const aim = { send, there: () => !this.agent.served };
        return startRecycle({ drain, aim, alive, terminated, graceMs, clock });
      },
      log: (_level, message) => void this.logged.push(message),
      recycled: (result) => void this.recycled.push(result),
    });
    this.remediation = new PressureRemediation(
      {
        options: all,
        clock,
        connect: async (_worker, maySignal) => {
          if (this.noReach !== undefined) return this.noReach;
          const client = new StoryReach(clock, this.agent, this.agent.info.runtime);
          client.maySignal = maySignal;
          this.prepare(client);
          this.reaches.push(client);
          return client;
        },
        heapFromOutside: () => this.agent.heapFromOutside(),
        connections: () => this.connections(),
        ended: () => undefined,
        log: (_level, message) => void this.logged.push(message),
        collected: (record) => void this.records.push(record),
        stalled: (ms) => {
          this.stalledMs += ms;
        },
        keep: () => this.keep(),
      },
      this.recycler,
      async () => {},
    );
    const exporters: Exporters = {
      emit: (event) => void this.events.push(event),
      log: () => {},
      stream: () => {},
      observeTick: () => this.#observe(),
      readFailed: () => {},
      transition: () => {},
      restarted: () => {},
      died: (report) => void this.deaths.push(report),
      flight: () => {},
      flightDone: () => {},
    };
    this.guardian = new LoopStory({
      options: { ...all, sampleMin: 5, sampleMax: options.sampleMax ?? 50 },
      findAgent: () => {
        const next = this.#next;
        this.#next = undefined;
        if (next) this.agent = next;
        return next ?? 'there is none';
      },
      exporters,
      remediation: this.remediation,
      constraints: options.constraints ?? [],
      history: new HistoryStore((atMs) => new Date(atMs + clock.wallMs() - clock.now()).toISOString()),
      clock,
      version: '0',
    });
    this.guardian.start();
  }

  #observe(): void {
    const { ready } = this.guardian.judge;
    if (this.readiness.at(-1)?.ready !== ready) this.readiness.push({ atMs: this.clock.now(), ready });
  }

  /** For so many seconds; `each` may change the agent every 50 ms. */
  async goes(seconds: number, each: (second: number) => void = () => {}): Promise<this> {
    const startMs = this.clock.nowMs;
    while (this.clock.nowMs < startMs + seconds * 1000 - 1e-6) {
      each((this.clock.nowMs - startMs) / 1000);
      await this.clock.advance(50);
    }
    return this;
  }

  /** Another life of the agent. */
  restarts(agent: StoryAgent): void {
    this.#next = agent;
  }

  /** The hand in use. */
  get client(): StoryReach {
    const client = this.reaches.at(-1);
    if (!client) throw new Error('the runtime was never asked for');
    return client;
  }
  /** Notes told for this reason. */
  notes(reason: GuardianEvent['reason']): string[] {
    return this.events.filter((event) => event.reason === reason).map(({ note }) => note);
  }
  get verdicts(): string[] {
    return this.records.map(({ verdict }) => verdict);
  }
  /** Milliseconds in which it was un-ready, in all. */
  get unreadyMs(): number {
    let sum = 0;
    for (const [i, { atMs, ready }] of this.readiness.entries())
      if (!ready) sum += (this.readiness[i + 1]?.atMs ?? this.clock.now()) - atMs;
    return sum;
  }
}

function expectSame(life: AgentProcess, agent: StoryAgent): void {
  if (life !== agent) throw new Error('another life than the present one is being ended');
}
