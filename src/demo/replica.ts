import type { Users } from './users.ts';
import type { Probe, WrappedAgent } from './wrapped-agent.ts';

/** One agent behind a balancer, and its users. */
export class Replica {
  readonly guarded: boolean;
  readonly agent: WrappedAgent;
  readonly users: Users;
  readonly #changes: ReplicaChange[] = [];
  #last: Probe | undefined;

  constructor(guarded: boolean, agent: WrappedAgent, users: Users) {
    this.guarded = guarded;
    this.agent = agent;
    this.users = users;
  }

  /** Wherever the answer or the number of conversations differs from before. */
  get changes(): readonly ReplicaChange[] {
    return this.#changes;
  }

  /** As it was probed last; nothing before the first probe and after the guardian's end. */
  get last(): Probe | undefined {
    return this.#last;
  }

  /** As a balancer: an agent that does not answer gets no work; a guarded one gets none either while `/readyz` answers 503. */
  async probe(atMs: number): Promise<void> {
    this.#last = await this.agent.probe();
    const { code = 0, healthy = false } = this.#last ?? {};
    const answer = !healthy ? 'down' : this.guarded ? code : 200;
    this.users.probed(answer === 200);
    const { active } = this.users;
    const before = this.#changes.at(-1);
    if (before?.answer !== answer || before.conversations !== active)
      this.#changes.push({ atMs, answer, conversations: active });
  }
}

/** What a balancer saw. */
export interface ReplicaChange {
  atMs: number;
  answer: number | 'down';
  conversations: number;
}
