import { setTimeout as sleep } from 'node:timers/promises';

const MOST_TURNS = 40;
/** Once the service is un-ready, people finish what they are at: of those inside, this share leaves after each turn. */
const LEAVING_SHARE = 0.5;
/** So many stay all the same: an agent that nobody asks anything allocates nothing, and so collects nothing. */
const STAYING = 2;
const THINK_MS = 350;

/** The people who talk to the agent, and the balancer that lets new ones in. */
export class Users {
  readonly #agentUrl: string;
  readonly #signal: AbortSignal;
  #active = 0;
  #served = 0;
  #broken = 0;
  #arrived = 0;
  #winding = false;

  /** @param signal ends all conversations where they are */
  constructor(agentUrl: string, signal: AbortSignal) {
    this.#agentUrl = agentUrl;
    this.#signal = signal;
  }

  /** Conversations running now. */
  get active(): number {
    return this.#active;
  }
  /** Turns answered. */
  get served(): number {
    return this.#served;
  }
  /** Turns that got no answer. */
  get broken(): number {
    return this.#broken;
  }

  /** While un-ready nobody new is admitted, and those inside finish. */
  set ready(ready: boolean) {
    this.#winding = !ready;
  }

  /** One more person, who talks until all is said, and leaves. */
  arrive(): void {
    if (this.#winding) return;
    void this.#converse(`user-${++this.#arrived}`);
  }

  /** A request for more than fits: the tool's output has no end. */
  async runAway(): Promise<void> {
    await this.#counted(() => this.#say('runaway', 'please follow the log'));
  }

  async #converse(session: string): Promise<void> {
    await this.#counted(async () => {
      for (let left = MOST_TURNS; left > 0 && !this.#signal.aborted; left--) {
        await this.#say(session, `find me ${left} more`);
        await sleep(THINK_MS * (0.5 + Math.random()), undefined, { signal: this.#signal });
        if (this.#winding && this.#active > STAYING && Math.random() < LEAVING_SHARE) break;
      }
      await fetch(`${this.#agentUrl}/chat/${session}`, { method: 'DELETE', signal: this.#signal });
    });
  }

  async #counted(talk: () => Promise<void>): Promise<void> {
    this.#active++;
    try {
      await talk();
    } catch {
      if (!this.#signal.aborted) this.#broken++; // the agent died, which is what this is about
    } finally {
      this.#active--;
    }
  }

  async #say(session: string, message: string): Promise<void> {
    const response = await fetch(`${this.#agentUrl}/chat`, {
      method: 'POST',
      body: JSON.stringify({ session, message }),
      signal: this.#signal,
    });
    await response.text();
    if (response.ok) this.#served++;
    else this.#broken++;
  }
}
