import type { GuardianMessage, MemoryMessage } from '../core/model/hook-messages.ts';
import { ratioOf, unreclaimableBytes } from '../core/model/reading.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { AgentHook, AgentHooks } from '../core/ports/agent-hook.ts';
import type { Remedy, Situation } from '../core/ports/ports.ts';
import { type Activity, isNews, type Said } from '../core/pressure/memory-updates.ts';

export interface HookUpdatesDeps {
  hooks: AgentHooks & {
    readonly listening: boolean;
    follow(followed: { main: readonly number[]; pids: readonly number[] }): void;
  };
  thresholds: { shedRatio: number; criticalRatio: number };
  /** Why the agent admits no new work, and when to come again; `null` while it may. */
  draining(): Omit<Extract<GuardianMessage, { type: 'draining' }>, 'type'> | null;
}

/** Keeps the hooks in the agent up to date: who is the agent, how its memory does, whether it admits new work. */
export class HookUpdates implements Remedy {
  readonly #deps: HookUpdatesDeps;
  readonly #said = new WeakMap<AgentHook, Said>();
  readonly #drained = new WeakSet<AgentHook>();

  constructor(deps: HookUpdatesDeps) {
    this.#deps = deps;
  }

  /** At each round of the loop with a valid reading; returns at once. */
  attend(situation: Situation): void {
    const { hooks } = this.#deps;
    const { agent, pids } = situation;
    hooks.follow({ main: [agent.info.pid, agent.worker.pid], pids });
    const all = hooks.all();
    if (all.length === 0) return;
    const now = { message: this.#messageOf(situation), atMs: situation.nowMs };
    const draining = this.#deps.draining();
    for (const hook of all) {
      if (isNews(this.#said.get(hook), now, activityOf(hook))) {
        hook.send(now.message);
        this.#said.set(hook, now);
      }
      if (draining && !this.#drained.has(hook)) {
        hook.send({ type: 'draining', ...draining });
        this.#drained.add(hook);
      } else if (!draining && this.#drained.delete(hook)) hook.send({ type: 'admitting' });
    }
  }

  findings(): [] {
    return [];
  }

  draining(): null {
    return null;
  }

  status(): RemedyStatus {
    const { hooks } = this.#deps;
    const name = 'hook';
    if (!hooks.listening)
      return { name, state: 'off', code: 'not_listening', why: 'there is no directory for the hook' };
    const count = hooks.all().length;
    if (count === 0)
      return { name, state: 'idle', code: 'not_connected', why: 'no process of the agent is connected' };
    const why = `connected: ${count} ${count === 1 ? 'process' : 'processes'}`;
    return { name, state: 'acting', code: 'connected', why };
  }

  async end(): Promise<void> {}

  #messageOf({ reading, level, stuck, outlook }: Situation): MemoryMessage {
    const { shedRatio, criticalRatio } = this.#deps.thresholds;
    const { heap } = reading;
    return {
      ...{ type: 'memory', level, stuck, shedRatio, criticalRatio },
      usedBytes: unreclaimableBytes(reading),
      limitBytes: reading.limitBytes,
      ratio: ratioOf(reading),
      growthPerSecond: outlook.growthBytesPerSecond ?? 0,
      secondsToLimit: outlook.secondsToLimit,
      heap: heap && { usedBytes: heap.usedBytes, limitBytes: heap.limitBytes },
    };
  }
}

function activityOf({ state }: AgentHook): Activity {
  if (!state) return 'resting';
  if (state.waiting > 0) return 'waiting';
  return state.inFlight > 0 ? 'active' : 'resting';
}
