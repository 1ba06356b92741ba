import { formatSeconds } from '../../core/lib/units.ts';

/** A program that ends within so long of a signal that opened nothing has ended because of it. */
const BECAUSE_MS = 2000;
/** So many command lines are remembered; the oldest go first. */
const MOST = 100;

/** A command line that takes SIGUSR1 for something else, by a digest: arguments may hold secrets. */
export interface Barred {
  digest: string;
  /** ISO time at which that was seen. */
  at: string;
  why: string;
}

/**
 * What is known of SIGUSR1 and programs, over all lives of the agent. That a program has a handler of its own is not visible
 * before: where the signal ended it, or did anything but open the inspector, its command line is not sent the signal again.
 */
export class SignalMemory {
  #barred: Barred[];
  /** Sent in this life, and not answered by an open inspector. */
  #unanswered: { digest: string; sentMs: number } | undefined;

  constructor(barred: readonly Barred[] = []) {
    this.#barred = barred.slice(-MOST);
  }

  get barred(): readonly Barred[] {
    return this.#barred;
  }

  /** Why this command line is not sent the signal; `undefined` where it may be. */
  refusal(digest: string): string | undefined {
    if (this.#unanswered?.digest === digest) return 'this command line opened no inspector after SIGUSR1';
    return this.#barred.find((each) => each.digest === digest)?.why;
  }

  sent(digest: string, nowMs: number): void {
    this.#unanswered = { digest, sentMs: nowMs };
  }

  /** The inspector has opened. */
  answered(): void {
    this.#unanswered = undefined;
  }

  /**
   * The life has ended.
   * @param killed for memory: an end for which there is another reason
   * @param at ISO time
   * @returns what the signal had to do with it, in a sentence; `undefined` where it had nothing
   */
  ended(nowMs: number, killed: boolean, at: string): string | undefined {
    const { digest, sentMs } = this.#unanswered ?? {};
    this.#unanswered = undefined;
    if (digest === undefined || sentMs === undefined || killed) return undefined;
    const afterMs = nowMs - sentMs;
    const because = afterMs <= BECAUSE_MS;
    const why = because
      ? 'a process of this command line ended at SIGUSR1'
      : 'a process of this command line opened no inspector after SIGUSR1';
    this.#barred = [...this.#barred.filter((each) => each.digest !== digest), { digest, at, why }].slice(
      -MOST,
    );
    if (!because) return undefined;
    return `The agent ended ${formatSeconds(afterMs / 1000)} after SIGUSR1, sent by Spillway to open its inspector: the program handles that signal otherwise. Spillway sends it to this command line no more; gc: inspect-only sends it to none.`;
  }
}
