import { composeGuardian } from '../../src/compose/guardian.ts';
import type { Machine, Mode } from '../../src/compose/machine.ts';
import type { Config } from '../../src/config/options.ts';
import type { ConstraintSource } from '../../src/core/model/constraint.ts';
import type { EventReason } from '../../src/core/model/events.ts';
import type { RemedyStatus } from '../../src/core/model/remedy.ts';
import type { AgentHook } from '../../src/core/ports/agent-hook.ts';
import type { AgentProcess, FindAgent, Remedy } from '../../src/core/ports/ports.ts';
import type { Judge } from '../../src/core/pressure/judge.ts';
import { HistoryStore } from '../../src/core/report/history.ts';
import type { StatusView } from '../../src/core/report/status-view.ts';
import type { Guardian } from '../../src/guardian.ts';
import type { PressureRemediation } from '../../src/remedies/remediation.ts';
import { FakeAgent } from './fake-agent.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeRuntimeClient } from './fake-runtime-client.ts';
import { DEFAULT_OPTIONS } from './options.ts';
import { RecordingExporters } from './recording-exporters.ts';

export interface StorySetup {
  /** Beside the defaults of the table. */
  options?: Partial<Config>;
  /** By default a sidecar, in a pod whose containers are restarted. */
  mode?: Partial<Mode>;
  /** Of this replica among those of its workload, 0…1. */
  turn?: number | null;
  /** `null`: there is none yet. */
  agent?: FakeAgent | null;
  /** By default the agents of the story, one after the other. */
  findAgent?: FindAgent;
  /** Beside memory. */
  constraints?: readonly ConstraintSource[];
  /** Beside collections, shedding and the recycling. */
  remedies?: readonly Remedy[];
}

export const NO_AGENT = 'no other container in this pod; set shareProcessNamespace: true';

/** A guardian with all its remedies on a fake clock, with a fake agent; it has begun. */
export function startStory(setup: StorySetup = {}): Story {
  return new Story(setup);
}

export class Story {
  readonly clock = new FakeClock();
  readonly exporters = new RecordingExporters();
  readonly guardian: Guardian;
  readonly judge: Judge;
  /** Status, its version, and post-mortems. */
  readonly view: StatusView;
  readonly remediation: PressureRemediation;
  /** The present agent, or the last one. */
  agent: FakeAgent;
  /** All clients of a runtime that were asked for. */
  readonly clients: FakeRuntimeClient[] = [];
  /** In the agent, as far as it tells its state. */
  hook: AgentHook | undefined;
  /** Why there is none. */
  noClient: string | undefined;
  /** Made before each client is given out. */
  prepare: (client: FakeRuntimeClient) => void = () => {};
  sigtermTarget: () => number | null = () => this.agent.info.pid;
  /** Called as a recycle begins. */
  onRecycle: () => void = () => {};
  /** Where the file of a profile is kept. */
  keep: () => Promise<string | null> = async () => '/records/profile-1.heapprofile';
  /** When SIGTERM was sent. */
  readonly signalledMs: number[] = [];
  /** Readiness at each tick that changed it. */
  readonly #readiness: { atMs: number; ready: boolean }[] = [];
  /** The agents that follow. */
  readonly #next: FakeAgent[] = [];

  constructor({ agent = new FakeAgent(), ...setup }: StorySetup) {
    this.agent = agent ?? new FakeAgent();
    if (agent) this.#next.push(agent);
    const { clock, exporters } = this;
    const { constraints = [], remedies = [], findAgent = (lives: number) => this.#findAgent(lives) } = setup;
    const mode = { restarted: true, sameFiles: false, ...setup.mode };
    const composed = composeGuardian({
      options: { ...DEFAULT_OPTIONS, ...setup.options },
      machine: this.#machine(mode, setup.turn ?? null),
      ...{ mode, findAgent, constraints, remedies, clock, exporters, metrics: exporters.metrics },
      history: new HistoryStore(clock.toIso),
      requests: () => null,
      advice: () => [],
      collected: () => {},
      version: '1.2.3',
    });
    this.guardian = composed.guardian;
    this.judge = composed.judge;
    this.view = composed.view;
    this.remediation = composed.remediation;
    exporters.onTick = () => this.#observe();
    this.guardian.start();
  }

  /** The machine, as far as the agent of the story goes. */
  #machine(mode: Mode, turn: number | null): Machine {
    return {
      turn,
      hooks: {
        of: () => this.hook,
        requests: () =>
          this.hook?.state ? { ...this.hook.state, waitSeconds: 0, loopDelaySeconds: 0 } : null,
        waiting: () => this.agent.waiting,
      },
      prepare: async () => {},
      connect: async (_worker, maySignal) => this.noClient ?? this.#connect(maySignal),
      ended: () => undefined,
      keep: () => this.keep(),
      connections: async () => {
        const { inFlight: total, worker } = this.agent;
        return { total, accepted: new Map([[worker.pid, total ?? 0]]), costMs: 0 };
      },
      heapFromOutside: () => this.agent.heapFromOutside(),
      endsAll: !mode.sameFiles,
      oomAdjustment: (pid) => (pid === this.agent.info.pid ? 0 : this.agent.toolAdjustment),
      sigtermTarget: (agent) => {
        if (agent !== this.agent) throw new Error('another agent than the present one is being ended');
        return this.sigtermTarget();
      },
      handlesSigterm: () => (this.agent.info.runtime === 'node' ? null : this.agent.handlesSigterm),
      aimSigterm: (pid) => {
        this.onRecycle();
        return { send: () => this.#sigterm(pid), there: () => !this.agent.served };
      },
    };
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

  /** For so many seconds the agent holds so many MiB. */
  holds(seconds: number, held: number | ((second: number) => number)): Promise<this> {
    return this.goes(seconds, (second) => {
      this.agent.heldMiB = typeof held === 'number' ? held : held(second);
    });
  }

  /** The agent that follows when there is none. */
  restarts(agent: FakeAgent): void {
    this.#next.push(agent);
  }

  /** The client in use. */
  get client(): FakeRuntimeClient {
    const client = this.clients.at(-1);
    if (!client) throw new Error('the runtime was never asked for');
    return client;
  }
  /** Notes of the events of this reason. */
  notes(reason: EventReason): string[] {
    return this.exporters.notes(reason);
  }
  /** What the remedy of this name does, and why. */
  remedy(name: string): RemedyStatus {
    const found = this.view.status().remedies.find((each) => each.name === name);
    if (!found) throw new Error(`there is no remedy ${name}`);
    return found;
  }
  get verdicts(): string[] {
    return this.exporters.records.map(({ verdict }) => verdict);
  }
  /** Milliseconds in which it was un-ready, in all. */
  get unreadyMs(): number {
    let sum = 0;
    for (const [i, { atMs, ready }] of this.#readiness.entries())
      if (!ready) sum += (this.#readiness[i + 1]?.atMs ?? this.clock.now()) - atMs;
    return sum;
  }

  #findAgent(lives: number): AgentProcess | string {
    const next = this.#next.shift();
    if (!next) return NO_AGENT;
    next.info = { ...next.info, restarts: next.anotherContainer ? 0 : lives };
    this.agent = next;
    return next;
  }

  #connect(maySignal: () => boolean): FakeRuntimeClient {
    const client = new FakeRuntimeClient(this.clock, this.agent);
    client.maySignal = maySignal;
    this.prepare(client);
    this.clients.push(client);
    return client;
  }

  #sigterm(target: number): void {
    this.agent.signals.push(`SIGTERM to ${target}`);
    this.signalledMs.push(this.clock.now());
    this.agent.onSigterm();
  }

  #observe(): void {
    const { ready } = this.judge;
    if (this.#readiness.at(-1)?.ready !== ready) this.#readiness.push({ atMs: this.clock.now(), ready });
  }
}
