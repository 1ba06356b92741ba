import { formatSeconds } from '../core/lib/units.ts';
import type { Finding } from '../core/model/events.ts';
import type { GuardianMessage, MemoryMessage } from '../core/model/hook-messages.ts';
import { ratioOf, unreclaimableBytes } from '../core/model/reading.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { Requests } from '../core/model/requests.ts';
import type { Level } from '../core/model/status.ts';
import type { AgentHook, AgentHooks } from '../core/ports/agent-hook.ts';
import type { Remedy, Situation } from '../core/ports/ports.ts';
import { Crowding } from '../core/pressure/crowding.ts';
import { type Activity, isNews, type Said } from '../core/pressure/memory-updates.ts';

type GateCode =
  | 'off'
  | 'not_listening'
  | 'not_connected'
  | 'no_requests'
  | 'holding_back'
  | 'crowded'
  | 'admitting';

const WHY: Readonly<Record<GateCode, string>> = {
  off: 'the option gate is off',
  not_listening: 'there is no directory for the hook',
  not_connected: 'no process of the agent has connected its hook',
  no_requests: 'the agent has had no HTTP request',
  holding_back: 'requests wait for memory',
  crowded: 'requests wait so long for memory that the agent is un-ready',
  admitting: 'every request is admitted',
};

/** What is drained hears so again and again: a hook that hears nothing for 5 s admits new work. */
const DRAINED_EVERY_MS = 1000;
/** Crowded again within this time, it is the same crowd: one event tells of it. */
const SAME_CROWD_MS = 60_000;

export interface AgentGateDeps {
  hooks: AgentHooks & {
    readonly listening: boolean;
    follow(followed: { main: readonly number[]; pids: readonly number[] }): void;
  };
  gate: 'auto' | 'off';
  /** Of the nearest of all constraints. */
  level(): Level;
  thresholds: { shedRatio: number; criticalRatio: number };
  /** No other replica could take the work. */
  alone: boolean;
  /** Why the agent admits no new work, and when to come again; `null` while it may. */
  draining(): Omit<Extract<GuardianMessage, { type: 'draining' }>, 'type'> | null;
}

/** The gate in the agent: its hooks are kept up to date on who is the agent, how its memory does, and whether it admits new work. */
export class AgentGate implements Remedy {
  readonly #deps: AgentGateDeps;
  readonly #said = new WeakMap<AgentHook, Said>();
  /** When each that is drained heard it last. */
  readonly #drained = new WeakMap<AgentHook, number>();
  readonly #crowding = new Crowding();
  #crowded = false;
  #crowdedMs = Number.NEGATIVE_INFINITY;
  #found: Finding[] = [];

  constructor(deps: AgentGateDeps) {
    this.#deps = deps;
  }

  /** At each round of the loop with a valid reading; returns at once. */
  attend(situation: Situation): void {
    const { hooks } = this.#deps;
    const { agent, pids } = situation;
    hooks.follow({ main: [agent.info.pid, agent.worker.pid], pids });
    this.#followCrowd(situation.nowMs);
    const all = hooks.all();
    if (all.length === 0) return;
    const now = { message: this.#messageOf(situation), atMs: situation.nowMs };
    const draining = this.#deps.draining();
    for (const hook of all) {
      if (isNews(this.#said.get(hook), now, activityOf(hook))) {
        hook.send(now.message);
        this.#said.set(hook, now);
      }
      if (draining) {
        if (now.atMs - (this.#drained.get(hook) ?? Number.NEGATIVE_INFINITY) < DRAINED_EVERY_MS) continue;
        hook.send({ type: 'draining', ...draining });
        this.#drained.set(hook, now.atMs);
      } else if (!draining && this.#drained.delete(hook)) hook.send({ type: 'admitting' });
    }
  }

  findings(): Finding[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }

  draining(): null {
    return null;
  }

  /** So many wait that others should get new work: un-ready until fewer do. */
  get crowded(): boolean {
    return this.#crowded;
  }

  status(): RemedyStatus {
    const { hooks, gate } = this.#deps;
    const of = (state: RemedyStatus['state'], code: GateCode, why: string = WHY[code]) => {
      return { name: 'gate', state, code, why };
    };
    if (gate === 'off') return of('off', 'off');
    if (!hooks.listening) return of('off', 'not_listening');
    if (hooks.all().length === 0) return of('idle', 'not_connected');
    const requests = hooks.requests();
    if (!requests) return of('idle', 'no_requests');
    const { inFlight, waiting } = requests;
    if (this.#crowded) return of('acting', 'crowded', describeCrowd(requests));
    return waiting > 0
      ? of('acting', 'holding_back', `${waiting} wait for memory, ${inFlight} in flight`)
      : of('idle', 'admitting', `every request is admitted, ${inFlight} in flight`);
  }

  async end(): Promise<void> {}

  #followCrowd(nowMs: number): void {
    const { hooks, alone } = this.#deps;
    const requests = hooks.requests();
    this.#crowded = !alone && this.#crowding.follow(requests);
    if (!this.#crowded || !requests) return;
    if (nowMs - this.#crowdedMs >= SAME_CROWD_MS)
      this.#found.push({ reason: 'GateCrowded', note: `Un-ready: ${describeCrowd(requests)}.` });
    this.#crowdedMs = nowMs;
  }

  #messageOf({ nowMs: atMs, reading, stuck, outlook }: Situation): MemoryMessage {
    const { thresholds, level } = this.#deps;
    const { shedRatio, criticalRatio } = thresholds;
    const { heap } = reading;
    return {
      ...{ type: 'memory', atMs, level: level(), stuck, shedRatio, criticalRatio },
      usedBytes: unreclaimableBytes(reading),
      limitBytes: reading.limitBytes,
      ratio: ratioOf(reading),
      growthPerSecond: outlook.growthBytesPerSecond ?? 0,
      secondsToLimit: outlook.secondsToLimit,
      heap: heap && { usedBytes: heap.usedBytes, limitBytes: heap.limitBytes },
    };
  }
}

function describeCrowd({ waiting, inFlight, waitSeconds }: Requests): string {
  return `${waiting} requests wait for memory, ${inFlight} are in flight, and one that came now would wait for about ${formatSeconds(waitSeconds)}`;
}

function activityOf({ state }: AgentHook): Activity {
  if (!state) return 'resting';
  if (state.waiting > 0) return 'waiting';
  return state.inFlight > 0 ? 'active' : 'resting';
}
