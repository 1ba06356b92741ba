import { setTimeout as sleep } from 'node:timers/promises';
import type { Conversation } from './load.ts';

/** A busy machine delays a timer by less than this. */
const HELD_UP_MS = 500;

/** The people who talk to the agent, through a balancer that sends them on only while the agent is ready. */
export class Users {
  readonly #agentUrl: string;
  readonly #signal: AbortSignal;
  #ready = true;
  #active = 0;
  #served = 0;
  #failed = 0;
  #completed = 0;
  #lost = 0;
  #elsewhere = 0;

  /** @param signal ends all conversations where they are */
  constructor(agentUrl: string, signal: AbortSignal) {
    this.#agentUrl = agentUrl;
    this.#signal = signal;
  }

  /** The balancer has probed the agent: while un-ready, it sends new users to other replicas. Users inside stay: the agent has their conversations. */
  probed(ready: boolean): void {
    this.#ready = ready;
  }

  /** Conversations running now. */
  get active(): number {
    return this.#active;
  }
  /** Turns answered. */
  get served(): number {
    return this.#served;
  }
  /** Turns sent to the agent that got no answer. */
  get failed(): number {
    return this.#failed;
  }
  /** Conversations that had all their turns. */
  get completed(): number {
    return this.#completed;
  }
  /** Conversations cut off: the agent died, or came back without them. */
  get lost(): number {
    return this.#lost;
  }
  /** Users that the balancer sent to other replicas. */
  get elsewhere(): number {
    return this.#elsewhere;
  }

  /** All of them, each at its time; nobody waits for another one. Where this process was held up, all who follow come later, not at once. */
  async play(load: readonly Conversation[]): Promise<void> {
    let startMs = performance.now();
    const running: Promise<void>[] = [];
    for (const [i, conversation] of load.entries()) {
      await this.#pause(startMs + conversation.atMs - performance.now());
      const lateMs = performance.now() - startMs - conversation.atMs;
      if (lateMs > HELD_UP_MS) startMs += lateMs;
      if (this.#signal.aborted) break;
      running.push(this.#converse(`user-${i}`, conversation));
    }
    await Promise.all(running);
  }

  /** A request for more than fits: the tool's output has no end. */
  async runAway(): Promise<void> {
    this.#active++;
    await this.#say('runaway', 0, 'please follow the log');
    this.#active--;
  }

  async #converse(session: string, { turns }: Conversation): Promise<void> {
    if (!this.#ready) {
      this.#elsewhere++;
      return;
    }
    this.#active++;
    let alive = true;
    for (const [i, { kilobytes, thinkMs }] of turns.entries()) {
      alive = alive && (await this.#say(session, i, `read the ${kilobytes} kB that the search finds`));
      if (!alive) break;
      await this.#pause(thinkMs);
    }
    this.#active--;
    if (this.#signal.aborted) return;
    if (!alive) this.#lost++;
    else {
      this.#completed++;
      await fetch(`${this.#agentUrl}/chat/${session}`, { method: 'DELETE' }).catch(() => {});
    }
  }

  /** @returns whether it was answered */
  async #say(session: string, turn: number, message: string): Promise<boolean> {
    const answered = await fetch(`${this.#agentUrl}/chat`, {
      method: 'POST',
      body: JSON.stringify({ session, turn, message }),
      signal: this.#signal,
    }).then(
      async (response) => (await response.text()) !== '' && response.ok,
      () => false,
    );
    if (answered) this.#served++;
    else if (!this.#signal.aborted) this.#failed++;
    return answered;
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#signal }).catch(() => {});
  }
}
